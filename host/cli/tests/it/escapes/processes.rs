//! What proc shows and takes, what the devices are, and what one process can do to another.

use serde_json::json;

use super::Attacker;
use crate::lab::Lab;

/// A word that stands in the environment of `host`, and that a task knows only backwards.
const CANARY: &str = "canary-of-the-caller";

fn attacker() -> Attacker {
    let backwards: String = CANARY.chars().rev().collect();
    Attacker::new(include_str!("processes.py")).knows("canary", backwards)
}

#[track_caller]
fn attempts(names: &str, inside: &str) {
    let lab = Lab::new();
    let lines = names
        .split_whitespace()
        .map(|name| format!("{name} {inside} -\n"));
    let table: String = lines.collect();
    attacker().attempts(&lab, &table, &[]);
}

#[test]
fn no_setting_of_the_kernel_or_of_itself_takes_a_word() {
    attempts(
        "write_core_pattern write_modprobe write_hostname write_binfmt write_drop_caches write_overcommit write_forwarding \
         write_namespaces write_messages write_last_pid write_sysrq write_pressure write_oom_score write_user_map \
         write_group_map write_project_map write_setgroups write_label write_label_of_programs write_login write_clear_refs \
         write_clock_offsets write_scheduling_group write_own_program write_program_of_init write_memory_of_init \
         write_cgroup write_host_cgroup_release write_uevent_helper",
        "EACCES|EROFS|ENOENT|EPERM|ETXTBSY|EINVAL",
    );
}

#[test]
fn nothing_of_init_is_to_be_seen() {
    attempts(
        "see_environ_of_init see_cmdline_of_init see_maps_of_init see_mem_of_init see_auxv_of_init see_stack_of_init \
         see_syscall_of_init see_pagemap_of_init see_mountinfo_of_init see_status_of_init see_limits_of_init see_io_of_init \
         see_root_of_init see_cwd_of_init see_exe_of_init see_ns_net_of_init see_ns_user_of_init see_fd_0_of_init \
         see_fd_3_of_init",
        "ENOENT|EACCES|EPERM",
    );
}

#[test]
fn no_memory_or_device_of_the_machine_is_there() {
    attempts(
        "see_kcore see_kpagecount see_kpageflags see_kpagecgroup see_vmcore see_dev_mem see_dev_kmsg see_dev_port \
         see_dev_console see_dev_tty see_dev_ptmx see_dev_fuse see_dev_kvm see_dev_net_tun see_dev_vda \
         see_dev_loop-control see_dev_userfaultfd see_dev_vsock see_dev_vhost-vsock",
        "ENOENT|EACCES|EPERM|ENODATA",
    );
}

/// What tells of the machine, though anybody may read it there.
#[test]
fn what_proc_tells_of_the_machine_is_covered() {
    let lab = Lab::new();
    let open = ["cmdline", "interrupts", "softirqs"];
    let others = "iomem ioports kallsyms keys key-users modules timer_list config.gz slabinfo vmallocinfo bus driver fs irq acpi asound scsi";
    let lines = open.iter().map(|name| (*name, "anyone"));
    let lines = lines.chain(others.split_whitespace().map(|name| (name, "-")));
    let lines = lines
        .map(|(name, outside)| format!("see_contents_of_{name} ENODATA|ENOENT|EACCES {outside}\n"));
    let table: String = lines.collect();
    attacker().attempts(&lab, &table, &[]);
}

/// In the jails of others what is covered is covered by the null device: whoever could put another thing in its place
/// would have it mounted anywhere (CVE-2025-31133 of runc).
#[test]
fn the_null_device_stays_what_it_is() {
    attempts(
        "null_rename null_unlink null_cover null_chmod null_link null_masked",
        "EROFS|EPERM|EACCES|EXDEV|ENOENT|EBUSY",
    );
}

/// The environment of process 1 was that of whoever started it, in the jails of others.
#[test]
fn no_word_of_the_callers_environment_is_in_proc() {
    let lab = Lab::new();
    let module = lab.python(&attacker().source());
    let backwards: String = CANARY.chars().rev().collect();
    let known = format!("canary={backwards}");
    let run = |words: &[&str]| {
        let arguments = [
            &[
                "--output",
                "json",
                "run",
                &module,
                &known,
                "attempts=words_of_the_caller",
            ],
            words,
        ];
        let host = lab.host(&arguments.concat()).env("IT_CANARY", CANARY);
        host.run().exits(0).record()["value"]["words_of_the_caller"].clone()
    };
    assert_eq!(run(&[]), "[]");
    let granted = run(&["--allow", "env:IT_CANARY"]);
    assert!(granted.as_str().unwrap().contains("/environ"), "{granted}");
}

#[test]
fn init_goes_on_whatever_its_task_sends() {
    // Where Landlock does not stop a signal the kernel lets process 1 pass over it.
    attempts(
        "init_kill init_stop init_abort init_fault init_queue init_thread init_pidfd",
        "EPERM|done",
    );
    attempts(
        "init_limit init_limits init_least_nice init_real_time init_deadline",
        "EPERM|EACCES",
    );
    // Nothing but process 1 of this very run is put last by these.
    attempts(
        "init_starve init_be_last init_io_last init_hand_over_io",
        "done|EPERM",
    );
}

#[test]
fn no_number_is_a_process_of_another() {
    attempts("signal_every_number signal_every_group", "0");
}

#[test]
fn no_limit_or_priority_is_raised() {
    attempts(
        "raise_nofile raise_nproc raise_core raise_memlock raise_cpu raise_msgqueue raise_nice raise_rtprio \
         first_among_processes nicer_than_all io_before_all",
        "EPERM|EACCES",
    );
}

#[test]
fn a_task_has_no_power_and_leaves_no_core() {
    let lab = Lab::new();
    let record = attacker().jailed(&lab, "powers,core_of_a_crash", &[]);
    let none = "'0000000000000000', ".repeat(5);
    assert_eq!(
        record["value"],
        json!({"powers": format!("[{none}'1', '2']"), "core_of_a_crash": "[False, []]"})
    );
}
