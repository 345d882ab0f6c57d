//! Modules as authors write them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

/// A module on disk, to which files are added one by one.
#[derive(Debug)]
pub(crate) struct ModuleDraft {
    directory: PathBuf,
}

impl ModuleDraft {
    pub(crate) fn new(directory: PathBuf) -> Self {
        fs::create_dir_all(directory.join("tasks")).unwrap();
        Self { directory }
    }

    /// Adds any file.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Adds an executable in `tasks/`, and its metadata unless that is null.
    pub(crate) fn task(self, file: &str, program: &str, metadata: Value) -> Self {
        let name = file.split('.').next().unwrap().to_owned();
        let path = self.directory.join("tasks").join(file);
        let draft = self.file(&format!("tasks/{file}"), program);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        if metadata.is_null() {
            return draft;
        }
        draft.file(&format!("tasks/{name}.json"), metadata.to_string())
    }

    /// The path of its directory.
    pub(crate) fn build(self) -> String {
        self.directory.to_str().unwrap().to_owned()
    }
}
