//! Names that a run makes up, and an automounter that would go and find them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::learned;
use crate::lab::{Host, Lab, is_root};

/// The recorder looked for what a run had named with the machine's rights and in the machine's mount namespace, where to look
/// below an automounter's mount asks somebody else for it: a way out of a jail that has none.
#[test]
fn no_automounter_is_asked_for_names_that_a_run_makes_up() {
    let Some(lab) = Lab::elsewhere().filter(|_| is_root()) else {
        return;
    };
    let (net, granted) = (lab.directory("net"), lab.directory("granted"));
    std::os::unix::fs::symlink(&net, lab.path("granted/link")).unwrap();
    let asked = lab.path("asked");
    let script = lab.write("automounter.py", include_str!("automounter.py"));
    let module = lab.shell(&format!(
        "cat {net}/made-up/file {granted}/link/by-a-link/file 2>/dev/null\n\
         cd /tmp && ln -s {net}/in-scratch here && cat here/file 2>/dev/null\n\
         mkdir -p {net}/made; {net}/program/run 2>/dev/null; echo x 2>/dev/null >{net}/new/file; true"
    ));
    let allow = format!("fs.read:{granted}");
    let run = [
        "--output", "json", "run", &module, "--learn", "--allow", &allow,
    ];
    let ran = Host::by_shell(
        &lab,
        &format!("exec unshare -m --propagation private python3 {script} {net} {asked} \"$@\""),
        &run,
    )
    .run();
    if ran.stderr.contains("autofs: ") && !Path::new("/sys/module/autofs4").exists() {
        // A kernel that knows of no automounters.
        let known = fs::read_to_string("/proc/filesystems").unwrap();
        assert!(!known.contains("autofs"), "{}", ran.stderr);
        return;
    }
    let ran = ran.exits(0);
    let names = fs::read_to_string(&asked).unwrap_or_default();
    assert_eq!(names, "", "the automounter was asked");
    let noted = learned(&lab);
    assert!(
        noted.keys().all(|noted| !noted.contains("/net/")),
        "{noted:?}"
    );
    let journal = lab.journal();
    let beyond = &journal.last().unwrap()["learned_beyond"];
    assert!(beyond.as_u64() >= Some(3), "{beyond}");
    assert_eq!(ran.record()["grant"][0]["used"], Value::from("yes"));
}
