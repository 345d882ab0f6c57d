//! Subject: the overlay of asks that is sealed beside an unchanged module, given any bytes.

use host_core::ModuleName;
use host_task::{OVERLAY_BYTES_MAX, Overlay};

use crate::fixture::MODULE;
use crate::metadata::check_asks;

/// Panics unless `data` is refused, or asks for tasks of the one module, each once.
pub fn check(data: &[u8]) {
    let module: ModuleName = MODULE.parse().expect("a module name");
    let Ok(overlay) = Overlay::read(data, &module) else {
        return;
    };
    assert!(data.len() <= OVERLAY_BYTES_MAX);
    for task in overlay.tasks() {
        assert_eq!(task.module(), &module);
        check_asks(overlay.asks(task).expect("a listed task has asks"));
    }
}
