//! runc with a container as `runc spec` describes one, and the machine's system in it, read only.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::machine::{program, read};
use crate::packages::Tool;
use crate::workspace::empty_directory;

/// The program, which Debian has.
pub(crate) const TOOL: Tool = Tool {
    program: "runc",
    package: "runc",
};

/// The links of a system that lies in `/usr`.
const LINKS: [(&str, &str); 4] = [
    ("usr/bin", "bin"),
    ("usr/sbin", "sbin"),
    ("usr/lib", "lib"),
    ("usr/lib64", "lib64"),
];

/// Makes a container of its own in `bundle`, and gives what runs `words` in it, as the container `name`.
///
/// # Errors
///
/// When the disk does not allow it, or `runc` does not do its part.
pub(crate) fn command(bundle: &Path, words: &[&str], name: &str) -> Result<Command> {
    empty_directory(bundle)?;
    read(program(TOOL.program).arg("spec").current_dir(bundle))?;
    let root = bundle.join("rootfs");
    empty_directory(&root.join("usr"))?;
    for (target, link) in LINKS {
        std::os::unix::fs::symlink(target, root.join(link))
            .with_context(|| root.display().to_string())?;
    }
    let file = bundle.join("config.json");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let config = with_system(serde_json::from_str(&text)?, words)?;
    std::fs::File::create(&file)
        .and_then(|mut file| file.write_all(config.to_string().as_bytes()))
        .with_context(|| file.display().to_string())?;
    let mut command = program(TOOL.program);
    command.arg("run").arg("--bundle").arg(bundle).arg(name);
    Ok(command)
}

fn with_system(mut config: Value, words: &[&str]) -> Result<Value> {
    let process = config.get_mut("process").context("no `process`")?;
    *process.get_mut("terminal").context("no `terminal`")? = json!(false);
    *process.get_mut("args").context("no `args`")? = json!(words);
    let mounts = config.get_mut("mounts").and_then(Value::as_array_mut);
    mounts.context("no `mounts`")?.push(json!({
        "destination": "/usr",
        "type": "bind",
        "source": "/usr",
        "options": ["rbind", "ro"],
    }));
    Ok(config)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::with_system;

    #[test]
    fn a_container_has_the_system_and_the_program() {
        let spec = json!({"process": {"terminal": true, "args": ["sh"]}, "mounts": []});
        let config = with_system(spec, &["/usr/bin/true"]).unwrap();
        assert_eq!(config["process"]["args"], json!(["/usr/bin/true"]));
        assert_eq!(config["process"]["terminal"], false);
        assert_eq!(config["mounts"][0]["source"], "/usr");
        with_system(json!({}), &[]).unwrap_err();
    }
}
