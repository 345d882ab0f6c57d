//! Files: ways out of what was granted, changes of what is only read, and what no file may become.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use super::scenery::{Picture, THROWAWAY_IDS, no_throwaway_owners, tree};
use super::{Attacker, Machine};
use crate::lab::{Lab, is_root};

/// Whom the granted directories belong to where root starts the runs.
const OWNER: u32 = 4321;
/// A group that the owner is not in.
const GROUP: u32 = 42;

/// A lab with a directory to read, one to write, one that nobody was granted, and one for free attackers.
struct Place {
    lab: Lab,
}

impl Place {
    fn new() -> Self {
        let lab = Lab::new();
        lab.write("victim/secret", "outside");
        lab.write("victim/open", "kept");
        for name in ["read", "write", "free"] {
            lab.write(&format!("{name}/plain"), "kept");
            lab.write(&format!("{name}/other"), "kept");
            lab.write(&format!("{name}/own"), "kept");
            lab.directory(&format!("{name}/sub"));
            symlink(lab.path("victim/secret"), lab.path(&format!("{name}/link"))).unwrap();
            symlink("../victim", lab.path(&format!("{name}/up"))).unwrap();
            let kept = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(lab.path(&format!("{name}/plain")), "user.kept", b"x", kept)
                .unwrap();
        }
        lab.directory("write/shared");
        for entry in tree(lab.root()) {
            if !entry.is_symlink() && entry != lab.root() {
                let mode = if entry.is_dir() { 0o777 } else { 0o666 };
                fs::set_permissions(&entry, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        if is_root() {
            for entry in tree(lab.root()) {
                if !entry.starts_with(lab.path("victim")) && entry != lab.root() {
                    std::os::unix::fs::lchown(&entry, Some(OWNER), Some(OWNER)).unwrap();
                }
            }
            std::os::unix::fs::chown(lab.path("write/shared"), None, Some(GROUP)).unwrap();
            let shared = fs::Permissions::from_mode(0o2777);
            fs::set_permissions(lab.path("write/shared"), shared).unwrap();
        }
        Self { lab }
    }

    fn attacker(&self) -> Attacker {
        let attacker = Attacker::new(include_str!("files.py")).among_us();
        attacker
            .knows("root", self.lab.root().to_str().unwrap())
            .knows("granted", self.lab.path("read/plain"))
            .knows("system", "/usr/bin/env")
            .knows("etc", "/etc/passwd")
            .knows("program", "/task/init.py")
            .knows("free", self.lab.path("free/plain"))
    }

    /// Makes the attempts with both grants; nothing but what was granted for writing may have changed.
    #[track_caller]
    fn attempts(&self, table: &str) {
        let read = format!("fs.read:{}", self.lab.path("read"));
        let write = format!("fs.write:{}", self.lab.path("write"));
        let pictures =
            ["read", "victim", "free"].map(|name| Picture::of(self.lab.root().join(name)));
        self.attacker()
            .attempts(&self.lab, table, &["--allow", &read, "--allow", &write]);
        pictures.iter().for_each(Picture::is_unchanged);
        let mut names: Vec<_> = fs::read_dir(self.lab.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["free", "home", "modules", "read", "victim", "write"]
        );
        no_throwaway_owners(&[self.lab.root()]);
        for entry in tree(&self.lab.root().join("write")) {
            let found = fs::symlink_metadata(&entry).unwrap();
            let shown = entry.display();
            assert!(
                found.is_dir() || found.mode() & 0o6000 == 0,
                "`{shown}` lends rights"
            );
            assert!(
                found.rdev() == 0 && found.mode() & 0o170_000 != 0o060_000,
                "`{shown}` is a device"
            );
            let mut names = [0; 1024];
            let length = rustix::fs::llistxattr(&entry, &mut names).unwrap_or(0);
            let names = String::from_utf8_lossy(&names[..length]).into_owned();
            for kind in ["security.capability", "trusted."] {
                assert!(!names.contains(kind), "`{shown}` has {names:?}");
            }
            if is_root() {
                assert_eq!(found.uid(), OWNER, "`{shown}`");
            }
            assert!(!THROWAWAY_IDS.contains(&found.gid()), "`{shown}`");
        }
    }
}

#[test]
fn no_path_leads_out_of_what_was_granted() {
    let nowhere = "ENOENT|EACCES|EPERM|ENOTDIR|ELOOP";
    let ways = "what_was_not_granted by_dots by_many_dots by_a_link by_a_relative_link by_a_link_in_what_is_written \
        by_the_root_of_itself by_the_root_of_init by_the_root_of_its_parent by_the_directory_of_init by_its_thread \
        by_a_descriptor_of_init by_a_descriptor_and_dots by_a_place_and_dots from_the_directory_itself";
    let table: String = ways
        .split_whitespace()
        .map(|way| {
            // Process 1 of the machine, and a parent, are the tests' own affair.
            let outside = if way.contains("init") { "-" } else { "anyone" };
            format!("read_{way} {nowhere} {outside}\n")
        })
        .collect();
    Place::new().attempts(&table);
}

#[test]
fn nothing_is_made_or_moved_outside_of_what_was_granted() {
    // Above a grant below `/tmp` lies the run's own scratch directory, which an ordinary user's run may write to.
    let refused = "EROFS|EACCES|EPERM|ENOENT|EXDEV|EBUSY|ENOTEMPTY";
    let above = if is_root() { refused } else { "done" };
    let names = "read_by_a_link_of_its_own write_by_a_link write_by_a_link_of_its_own make_a_file_outside \
        move_the_grant_away move_out_of_the_grant exchange_what_is_read_and_what_is_written move_what_is_only_read \
        link_what_is_only_read link_a_descriptor_of_what_is_only_read link_the_bare_descriptor link_the_systems_programs \
        remove_the_grant";
    let table: String = names
        .split_whitespace()
        .map(|name| format!("{name} {refused} -\n"))
        .chain([format!("make_a_directory_above {above} -\n")])
        .collect();
    let place = Place::new();
    place.attempts(&table);
    assert_eq!(place.lab.read("write/plain"), "kept");
    // Outside the same moves and links are made.
    let value = place.attacker().free(
        "write_by_a_link,make_a_file_outside,make_a_directory_above,exchange_what_is_read_and_what_is_written,link_what_is_only_read,move_what_is_only_read",
    );
    for (name, told) in value.as_object().unwrap() {
        assert_eq!(told, "done", "{name}");
    }
}

/// By each call that changes a file, its attributes, or the directory that it lies in.
#[test]
fn nothing_that_is_only_read_is_changed() {
    let changes = "open_to_write open_to_append empty_by_opening truncate open_again_to_write open_its_place_to_write map chmod \
        fchmod fchmodat2 chown fchown utime futime setxattr fsetxattr removexattr access_list make_beside nameless_beside \
        directory_beside pipe_beside link_beside symlink_beside exchange_beside rename unlink";
    let refused = "EROFS|EACCES|EPERM|EXDEV|ETXTBSY|ENODATA|ENOENT|ENOSYS|ENOTSUP";
    let mut table = String::new();
    for place in ["granted", "system", "etc", "program"] {
        for change in changes.split_whitespace() {
            table.push_str(&format!("{change}_{place} {refused} -\n"));
        }
    }
    let place = Place::new();
    let system = ["/usr/bin/env", "/etc/passwd"].map(Picture::of);
    place.attempts(&table);
    system.iter().for_each(Picture::is_unchanged);
    // Outside each of them changes a file, but for a call that this kernel may lack, what its disk may not have, and a
    // mapping, which is as little as what was opened for it.
    let names = changes.split_whitespace();
    let names: Vec<String> = names.map(|change| format!("{change}_free")).collect();
    let value = place.attacker().free(&names.join(","));
    for (name, told) in value.as_object().unwrap() {
        let spared = [
            "fchmodat2_free",
            "access_list_free",
            "nameless_beside_free",
            "map_free",
        ];
        assert!(
            told == "done" || spared.contains(&name.as_str()),
            "{name}: {told}"
        );
    }
}

/// Whether this kernel lets everybody set the attributes that are for its security modules: one with the module for BPF
/// and a fault of it does.
fn anybody_labels() -> bool {
    let script = "import os, tempfile; file = tempfile.NamedTemporaryFile(dir='/tmp'); os.setxattr(file.name, 'security.host-it', b'x')";
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "/usr/bin/python3",
        ]);
        command
    } else {
        Command::new("/usr/bin/python3")
    };
    let output = command.args(["-c", script]).output().unwrap();
    output.status.success()
}

#[test]
fn no_file_becomes_what_lends_rights_or_is_a_device() {
    let labelled = if anybody_labels() {
        "done"
    } else {
        "EPERM|ENOTSUP"
    };
    let table = format!(
        "become_capable EPERM -
         become_capable_by_descriptor EPERM -
         become_trusted EPERM -
         become_labelled {labelled} -
         become_roots EPERM|EINVAL -
         become_a_groups EPERM|EINVAL -
         become_immutable EPERM|ENOTTY|ENOTSUP|EACCES -
         become_append_only EPERM|ENOTTY|ENOTSUP|EACCES -
         become_a_device EPERM|EACCES -
         become_a_character_device EPERM|EACCES -
         become_a_whiteout EPERM|EACCES -
         become_set_id_by_a_longer_number EPERM -
         become_set_id_without_a_name EPERM -
         access_list_for_a_stranger EINVAL|EPERM|ENOTSUP -
         name_what_had_no_name done|ENOTSUP -
         file_in_a_directory_of_a_group done|EOVERFLOW|EACCES -",
    );
    Place::new().attempts(&table);
}

/// A program that is another's to everybody else is its caller's in a jail.
#[test]
fn a_program_that_lends_rights_lends_none_inside() {
    let place = Place::new();
    let copies = [("/usr/bin/id", "read/id"), ("/usr/bin/cat", "read/capable")];
    for (program, copy) in copies {
        fs::copy(program, place.lab.path(copy)).unwrap();
    }
    let lent = |copy: &str, mode: u32| {
        fs::set_permissions(place.lab.path(copy), fs::Permissions::from_mode(mode)).unwrap();
    };
    lent("read/id", 0o6755);
    lent("read/capable", 0o755);
    if is_root() {
        std::os::unix::fs::chown(place.lab.path("read/id"), Some(0), Some(0)).unwrap();
        lent("read/id", 0o6755);
        // Version 2, effective: CAP_DAC_READ_SEARCH.
        let mut capability = [0u8; 20];
        capability[..4].copy_from_slice(&0x0200_0001u32.to_le_bytes());
        capability[4] = 1 << 2;
        let flags = rustix::fs::XattrFlags::empty();
        let capable = place.lab.path("read/capable");
        rustix::fs::setxattr(&capable, "security.capability", &capability, flags).unwrap();
    }
    place.attempts(
        "user_of_a_set_id_program 1000 -
         user_of_the_systems_set_id_program none|1000 -
         powers_of_a_capable_program ['0000000000000000'] -",
    );
    if !is_root() {
        return;
    }
    // Outside the same programs do lend.
    fs::set_permissions(place.lab.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let as_nobody = |words: &[&str]| {
        let identity = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let output = Command::new("setpriv").args(identity).args(words).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(as_nobody(&[&place.lab.path("read/id"), "-u"]), "0\n");
    let status = as_nobody(&[&place.lab.path("read/capable"), "/proc/self/status"]);
    assert!(status.contains("CapEff:\t0000000000000004"), "{status}");
}

#[test]
fn a_device_in_what_was_granted_is_not_opened() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    for (name, minor) in [("read/zero", 5), ("write/null", 3)] {
        let made = Command::new("mknod")
            .args([
                "-m",
                "666",
                &place.lab.path(name),
                "c",
                "1",
                minor.to_string().as_str(),
            ])
            .status();
        assert!(made.unwrap().success());
    }
    let read = format!("fs.read:{}", place.lab.path("read"));
    let write = format!("fs.write:{}", place.lab.path("write"));
    let before = Machine::seen();
    place.attacker().attempts(
        &place.lab,
        "open_a_device_to_read EACCES anyone
         open_a_device_to_write EACCES anyone",
        &["--allow", &read, "--allow", &write],
    );
    before.is_unchanged();
}
