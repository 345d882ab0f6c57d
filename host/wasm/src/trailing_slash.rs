//! Removing a directory that is named with a slash at the end, as `rmdir sub/` does.
//!
//! POSIX and the public test suite of WASI let it, and the library's own functions ask the system to remove `sub/.`,
//! which it refuses (EINVAL). Without its slashes the name means the same here: the last part of a path to be removed is
//! never followed where it is a link.

use wasmtime::component::{Linker as ComponentLinker, Resource};
use wasmtime::{AsContextMut, Caller, Extern, Linker, Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self, WasiSnapshotPreview1};
use wasmtime_wasi::p2::bindings::filesystem::types::{ErrorCode, Host, HostDescriptor};
use wiggle::GuestMemory;

use crate::imports::PREVIEW_1;
use crate::run::{ComponentGuest, ModuleGuest};

/// The function of preview 1.
const OF_MODULES: &str = "path_remove_directory";
/// The interface and the function of WASI 0.2.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";
const OF_COMPONENTS: &str = "[method]descriptor.remove-directory-at";

/// Puts ours in the place of the one that modules import.
pub(crate) fn for_modules(linker: &mut Linker<ModuleGuest>) -> Result<()> {
    linker.allow_shadowing(true);
    linker.func_wrap_async(
        PREVIEW_1,
        OF_MODULES,
        |mut caller: Caller<'_, ModuleGuest>, (fd, path, length): (i32, i32, i32)| {
            Box::new(async move {
                let fuel = caller.as_context_mut().hostcall_fuel();
                let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
                    return Err(wasmtime::Error::msg("missing required memory export"));
                };
                let (bytes, guest) = memory.data_and_store_mut(&mut caller);
                let length = without_slashes(bytes, path, length);
                guest.wasi.set_hostcall_fuel(fuel);
                let mut memory = GuestMemory::Unshared(bytes);
                wasi_snapshot_preview1::path_remove_directory(
                    &mut guest.wasi,
                    &mut memory,
                    fd,
                    path,
                    length,
                )
                .await
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The same for components.
pub(crate) fn for_components(linker: &mut ComponentLinker<ComponentGuest>) -> Result<()> {
    linker.allow_shadowing(true);
    linker.instance(INTERFACE)?.func_wrap_async(
        OF_COMPONENTS,
        |mut store: StoreContextMut<'_, ComponentGuest>,
         (directory, path): (Resource<Descriptor>, String)| {
            Box::new(async move {
                let guest = store.data_mut();
                let kept = match path.trim_end_matches('/') {
                    "" => path.as_str(),
                    kept => kept,
                };
                let mut files = guest.filesystem();
                let removed =
                    HostDescriptor::remove_directory_at(&mut files, directory, kept.to_owned());
                let removed: std::result::Result<(), ErrorCode> = match removed.await {
                    Ok(()) => Ok(()),
                    Err(error) => Err(files.convert_error_code(error)?),
                };
                Ok((removed,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The length of a path in the guest's memory without the slashes at its end, unless it is nothing else.
fn without_slashes(memory: &[u8], path: i32, length: i32) -> i32 {
    // Both are unsigned to the guest. What lies outside of its memory is for the function itself to refuse.
    let start = path.cast_unsigned() as usize;
    let end = start.saturating_add(length.cast_unsigned() as usize);
    let Some(text) = memory.get(start..end) else {
        return length;
    };
    match text.iter().rposition(|byte| *byte != b'/') {
        Some(last) => i32::try_from(last + 1).unwrap_or(length),
        None => length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_are_left_out_and_nothing_else() {
        let memory = b"xxsub//yy///";
        assert_eq!(without_slashes(memory, 2, 5), 3);
        assert_eq!(without_slashes(memory, 2, 3), 3);
        assert_eq!(without_slashes(memory, 9, 3), 3, "nothing but slashes");
        assert_eq!(without_slashes(memory, 2, 0), 0);
        assert_eq!(without_slashes(memory, 2, -1), -1, "outside of the memory");
        assert_eq!(without_slashes(memory, -1, 4), 4);
    }
}
