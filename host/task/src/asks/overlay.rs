//! Reads `host/asks.json`: the asks of a module's tasks, sealed beside a module that stays as it is.

use std::collections::BTreeMap;

use host_core::{ModuleName, TaskName};
use serde_json::Value;

use super::{ReadAsksError, TaskAsks, refuse_unknown};
use crate::json::{self, Item};
use crate::names::task_name;

/// How large an overlay may be, in bytes.
pub const OVERLAY_BYTES_MAX: usize = 1024 * 1024;

pub(super) const FORMAT: &str = "host.asks/1";

const KEYS: [&str; 2] = ["format", "tasks"];

/// The asks of some tasks of one module. What a task's own metadata asks for does not hold beside its entry here.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    tasks: BTreeMap<TaskName, TaskAsks>,
}

impl Overlay {
    /// Reads an overlay of `module`, at most [`OVERLAY_BYTES_MAX`] bytes. Tasks are named short or in full.
    ///
    /// Whether the tasks and the placeholders' parameters exist is checked where the module is opened.
    ///
    /// # Errors
    /// When it is not JSON of this format within its limits, holds anything unknown or unreadable, names a task of
    /// another module, or one task twice.
    pub fn read(bytes: &[u8], module: &ModuleName) -> Result<Self, ReadAsksError> {
        let document = json::read(bytes, OVERLAY_BYTES_MAX).map_err(ReadAsksError::Json)?;
        let fields = Item::root(&document).object()?;
        if fields.get("format").map(|item| item.value) != Some(&Value::from(FORMAT)) {
            return Err(ReadAsksError::Format);
        }
        refuse_unknown(fields.unknown(&KEYS))?;
        let entries = fields
            .get("tasks")
            .ok_or_else(|| Item::root(&document).mismatch("`tasks`"))?
            .object()?;
        let mut tasks = BTreeMap::new();
        for (text, item) in entries.iter() {
            let name = task_name(module, text).ok_or_else(|| ReadAsksError::TaskName {
                place: item.place.clone(),
            })?;
            if tasks.insert(name, TaskAsks::read(&item)?).is_some() {
                return Err(ReadAsksError::TaskTwice { place: item.place });
            }
        }
        Ok(Self { tasks })
    }

    /// The asks of `task`, where the overlay has an entry for it.
    #[must_use]
    pub fn asks(&self, task: &TaskName) -> Option<&TaskAsks> {
        self.tasks.get(task)
    }

    /// The tasks that have an entry.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskName> {
        self.tasks.keys()
    }
}
