//! The compiled program is run by a small interpreter and compared with the list it was compiled from.

use super::*;

struct Call {
    architecture: u32,
    number: u32,
    arguments: [u64; 6],
}

/// Runs `code` as the kernel would.
fn interpret(code: &BpfProgram, call: &Call) -> u32 {
    let word = |offset: u32| match offset {
        OFFSET_NUMBER => call.number,
        OFFSET_ARCHITECTURE => call.architecture,
        offset => u32::try_from(call.arguments[(offset as usize - 16) / 8] & 0xffff_ffff).unwrap(),
    };
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let step = &code[at];
        at += 1;
        let taken = match step.code {
            LOAD_WORD => {
                accumulator = word(step.k);
                continue;
            }
            AND => {
                accumulator &= step.k;
                continue;
            }
            JUMP => {
                at += step.k as usize;
                continue;
            }
            RETURN => return step.k,
            JUMP_IF_EQUAL => accumulator == step.k,
            JUMP_IF_AT_LEAST => accumulator >= step.k,
            other => panic!("an instruction that is never made: {other:#x}"),
        };
        at += usize::from(if taken { step.jt } else { step.jf });
    }
}

fn verdict(code: &BpfProgram, number: libc::c_long, arguments: &[u64]) -> &'static str {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let number = u32::try_from(number).unwrap();
    match interpret(
        code,
        &Call {
            architecture: ARCHITECTURE,
            number,
            arguments: all,
        },
    ) {
        RETURN_ALLOW => "allowed",
        RETURN_KILL_PROCESS => "killed",
        errno => match (errno & 0xffff) as i32 {
            libc::EPERM => "EPERM",
            libc::ENOSYS => "ENOSYS",
            libc::EAFNOSUPPORT => "EAFNOSUPPORT",
            _ => "another errno",
        },
    }
}

const OPEN_ALL: Surface = Surface::ProgramWithSockets;

#[test]
fn every_number_gets_the_verdict_of_the_list() {
    let code = program(OPEN_ALL);
    assert!(
        code.len() < 4096,
        "the kernel takes 4,096 instructions, not {}",
        code.len()
    );
    let listed = list::verdicts(OPEN_ALL);
    for number in 0..600 {
        let expected = match listed.iter().find(|(listed, _)| *listed == number) {
            Some((_, Verdict::Allow | Verdict::Watched)) => "allowed",
            Some((_, Verdict::Absent)) => "ENOSYS",
            Some(_) => continue,
            None if number > list::NEWEST_KNOWN => "ENOSYS",
            None => "EPERM",
        };
        assert_eq!(
            verdict(&code, number.into(), &[]),
            expected,
            "call {number}"
        );
    }
}

/// Being told of calls must change no answer.
#[test]
fn whoever_listens_answers_as_the_filter_would() {
    for surface in [OPEN_ALL, Surface::Program, Surface::Function] {
        let (plain, telling) = (program(surface), program_that_tells(surface));
        let answers = Answers::of(surface);
        let sets: [[u64; 6]; 5] = [
            [0; 6],
            [1, 2, 0, 0, 0, 0],
            [2, 1, 262, 0o4755, 0, 0],
            [0, 1024, 0o6000, 0o6000, 0, 0],
            [u64::MAX; 6],
        ];
        for (number, arguments) in (0..600).flat_map(|number| sets.map(|set| (number, set))) {
            let said = |code: &BpfProgram| {
                let call = Call {
                    architecture: ARCHITECTURE,
                    number,
                    arguments,
                };
                interpret(code, &call)
            };
            let asks = said(&telling) == RETURN_ASK;
            match answers.to(number.cast_signed(), &arguments) {
                Answer::GoOn => assert_eq!(said(&plain), RETURN_ALLOW, "call {number}"),
                Answer::Errno(errno) if asks => {
                    assert_eq!(
                        said(&plain),
                        RETURN_ERRNO | errno.unsigned_abs(),
                        "call {number}"
                    );
                }
                Answer::Errno(_) => {}
            }
            assert!(asks || said(&telling) == said(&plain), "call {number}");
        }
    }
}

/// Taking note must change no answer either: whoever listens is asked about more, and says of all of it what the filter
/// would have said.
#[test]
fn a_run_that_learns_is_allowed_and_refused_what_any_run_is() {
    for surface in [OPEN_ALL, Surface::Program, Surface::Function] {
        let (plain, learning) = (program(surface), program_that_learns(surface));
        assert!(learning.len() < 4096);
        let answers = Answers::of(surface);
        let sets: [[u64; 6]; 7] = [
            [0; 6],
            [0, 0, 0o102, 0o644, 0, 0],
            [1, 2, 0, 0, 0, 0],
            [2, 1, 262, 0o4755, 0, 0],
            [0, 1024, 0o6000, 0o6000, 0, 0],
            [0, 0, 0o100, 0o4755, 4, 0],
            [u64::MAX; 6],
        ];
        for (number, arguments) in (0..600).flat_map(|number| sets.map(|set| (number, set))) {
            let said = |code: &BpfProgram| {
                let call = Call {
                    architecture: ARCHITECTURE,
                    number,
                    arguments,
                };
                interpret(code, &call)
            };
            let given = match said(&learning) {
                RETURN_ASK => match answers.to(number.cast_signed(), &arguments) {
                    Answer::GoOn => RETURN_ALLOW,
                    Answer::Errno(errno) => RETURN_ERRNO | errno.unsigned_abs(),
                },
                given => given,
            };
            assert_eq!(given, said(&plain), "call {number} of {surface:?}");
        }
    }
}

#[test]
fn what_opens_changes_and_executes_is_told_of_and_nothing_else_that_is_allowed() {
    let code = program_that_learns(OPEN_ALL);
    let asks = |number: libc::c_long| {
        let call = Call {
            architecture: ARCHITECTURE,
            number: u32::try_from(number).unwrap(),
            arguments: [0; 6],
        };
        interpret(&code, &call) == RETURN_ASK
    };
    for number in [
        libc::SYS_openat,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_connect,
        libc::SYS_unlinkat,
        libc::SYS_renameat2,
        libc::SYS_mkdirat,
        libc::SYS_mount,
    ] {
        assert!(asks(number), "call {number}");
    }
    for number in [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_newfstatat,
        libc::SYS_sendmsg,
        libc::SYS_exit_group,
        libc::SYS_openat2,
        libc::SYS_futex,
    ] {
        assert!(!asks(number), "call {number}");
    }
}

/// A function has nobody who would answer for what it is refused.
#[test]
fn a_function_that_learns_is_told_of_only_where_it_is_allowed() {
    let code = program_that_learns(Surface::Function);
    let answer = |number: libc::c_long, arguments: [u64; 6]| {
        let call = Call {
            architecture: ARCHITECTURE,
            number: u32::try_from(number).unwrap(),
            arguments,
        };
        interpret(&code, &call)
    };
    let eperm = RETURN_ERRNO | libc::EPERM.unsigned_abs();
    assert_eq!(answer(libc::SYS_openat, [0; 6]), RETURN_ASK);
    assert_eq!(answer(libc::SYS_execve, [0; 6]), eperm);
    assert_eq!(answer(libc::SYS_mount, [0; 6]), eperm);
    assert_eq!(answer(libc::SYS_openat, [0, 0, 0o100, 0o4755, 0, 0]), eperm);
}

#[test]
fn no_call_is_listed_twice() {
    let mut numbers: Vec<u32> = list::verdicts(OPEN_ALL)
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all);
}

#[test]
fn a_foreign_architecture_and_x32_are_killed() {
    let code = program(OPEN_ALL);
    let foreign = Call {
        architecture: 0x4000_0003,
        number: 1,
        arguments: [0; 6],
    };
    assert_eq!(interpret(&code, &foreign), RETURN_KILL_PROCESS);
    assert_eq!(verdict(&code, 0x4000_0000, &[]), "killed");
}

#[test]
fn arguments_decide_where_the_number_does_not() {
    let code = program(OPEN_ALL);
    let create = 0o100;
    let tmpfile = 0o20_200_000;
    for (number, arguments, expected) in [
        (libc::SYS_openat, vec![0, 0, create, 0o644], "allowed"),
        (libc::SYS_openat, vec![0, 0, create, 0o4755], "EPERM"),
        (libc::SYS_openat, vec![0, 0, tmpfile, 0o2755], "EPERM"),
        (libc::SYS_openat, vec![0, 0, 0, 0o6777], "allowed"),
        (libc::SYS_openat, vec![0, 0, 0o200_000, 0o6777], "allowed"),
        (libc::SYS_fchmod, vec![3, 0o1777], "allowed"),
        (libc::SYS_fchmod, vec![3, 0o4000], "EPERM"),
        (libc::SYS_fchmodat, vec![3, 0, 0o2000], "EPERM"),
        (452, vec![3, 0, 0o2000], "EPERM"),
        (libc::SYS_mkdirat, vec![3, 0, 0o2755], "EPERM"),
        (libc::SYS_mknodat, vec![3, 0, 0o4755], "EPERM"),
        (libc::SYS_mknodat, vec![3, 0, 0o020_644, 0], "EPERM"),
        (libc::SYS_mknodat, vec![3, 0, 0o060_644, 0], "EPERM"),
        (libc::SYS_mknodat, vec![3, 0, 0o010_644, 0], "allowed"),
        (libc::SYS_mknodat, vec![3, 0, 0o140_644, 0], "allowed"),
        (libc::SYS_mknodat, vec![3, 0, 0o644, 0], "allowed"),
        (libc::SYS_clone, vec![0x11], "allowed"),
        (libc::SYS_clone, vec![0x1000_0011], "EPERM"),
        (libc::SYS_clone, vec![0x0002_0011], "EPERM"),
        (libc::SYS_ioctl, vec![0, 0x5401], "allowed"),
        (libc::SYS_ioctl, vec![0, 0x5412], "EPERM"),
        (libc::SYS_ioctl, vec![0, 0xffff_0000_0000_5412], "EPERM"),
        (libc::SYS_ioctl, vec![0, 0x541c], "EPERM"),
        (libc::SYS_personality, vec![0xffff_ffff], "allowed"),
        (libc::SYS_personality, vec![0x0004_0000], "EPERM"),
        (libc::SYS_socket, vec![1, 1, 0], "allowed"),
        (libc::SYS_socket, vec![2, 0o2_000_001, 6], "allowed"),
        (libc::SYS_socket, vec![10, 2, 17], "allowed"),
        (libc::SYS_socket, vec![2, 1, 262], "EAFNOSUPPORT"),
        (libc::SYS_socket, vec![2, 3, 1], "EAFNOSUPPORT"),
        (libc::SYS_socket, vec![2, 2, 1], "EAFNOSUPPORT"),
        (libc::SYS_socket, vec![40, 1, 0], "EAFNOSUPPORT"),
        (libc::SYS_socket, vec![38, 5, 0], "EAFNOSUPPORT"),
        (libc::SYS_socket, vec![16, 3, 0], "EAFNOSUPPORT"),
        (libc::SYS_socketpair, vec![1, 1, 0], "allowed"),
        (libc::SYS_socketpair, vec![2, 1, 0], "EAFNOSUPPORT"),
        (libc::SYS_prlimit64, vec![0, 0], "allowed"),
        (libc::SYS_prlimit64, vec![1, 0], "EPERM"),
        (libc::SYS_io_uring_setup, vec![], "ENOSYS"),
        (libc::SYS_mount, vec![], "EPERM"),
        (libc::SYS_ptrace, vec![], "EPERM"),
        (libc::SYS_bpf, vec![], "EPERM"),
        (libc::SYS_keyctl, vec![], "EPERM"),
        (libc::SYS_process_vm_readv, vec![], "EPERM"),
    ] {
        assert_eq!(
            verdict(&code, number, &arguments),
            expected,
            "call {number} with {arguments:x?}"
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_older_call_makes_no_devices_either() {
    let code = program(OPEN_ALL);
    for (mode, expected) in [
        (0o020_644, "EPERM"),
        (0o060_644, "EPERM"),
        (0o4755, "EPERM"),
        (0o010_644, "allowed"),
    ] {
        let arguments = [0, mode, 0];
        assert_eq!(
            verdict(&code, libc::SYS_mknod, &arguments),
            expected,
            "{mode:o}"
        );
    }
}

#[test]
fn unix_sockets_can_be_closed_and_pairs_stay() {
    let code = program(Surface::Program);
    assert_eq!(verdict(&code, libc::SYS_socket, &[1, 1, 0]), "EAFNOSUPPORT");
    assert_eq!(verdict(&code, libc::SYS_socketpair, &[1, 1, 0]), "allowed");
    assert_eq!(verdict(&code, libc::SYS_socket, &[2, 1, 0]), "allowed");
}

#[test]
fn a_function_starts_threads_and_nothing_else() {
    let code = program(Surface::Function);
    let thread = 0x003d_0f00;
    for (number, arguments, expected) in [
        (libc::SYS_clone, vec![thread], "allowed"),
        (libc::SYS_clone, vec![0x11], "EPERM"),
        (libc::SYS_clone, vec![thread | 0x1000_0000], "EPERM"),
        (libc::SYS_clone3, vec![], "ENOSYS"),
        (libc::SYS_execve, vec![], "EPERM"),
        (libc::SYS_execveat, vec![], "EPERM"),
        (libc::SYS_socket, vec![1, 1, 0], "EAFNOSUPPORT"),
        (libc::SYS_socketpair, vec![1, 1, 0], "EAFNOSUPPORT"),
        (libc::SYS_socket, vec![2, 1, 0], "EAFNOSUPPORT"),
        (libc::SYS_memfd_create, vec![], "EPERM"),
        (libc::SYS_shmget, vec![], "EPERM"),
        (libc::SYS_inotify_init1, vec![], "ENOSYS"),
        (libc::SYS_mprotect, vec![], "allowed"),
        (libc::SYS_openat, vec![0, 0, 0o100, 0o4755], "EPERM"),
    ] {
        assert_eq!(
            verdict(&code, number, &arguments),
            expected,
            "call {number}"
        );
    }
    #[cfg(target_arch = "x86_64")]
    for number in [libc::SYS_fork, libc::SYS_vfork] {
        assert_eq!(verdict(&code, number, &[]), "EPERM", "call {number}");
    }
}

/// Verdicts drawn by lot: a random one of the simple ones, or a check of up to `arms` arms.
fn drawn(random: &mut impl FnMut(u32) -> u32, arms: u32) -> Verdict {
    let simple = |random: &mut dyn FnMut(u32) -> u32| match random(4) {
        0 => Verdict::Allow,
        1 => Verdict::Watched,
        2 => Verdict::Absent,
        _ => Verdict::Errno(i32::try_from(1 + random(3)).unwrap()),
    };
    if random(3) > 0 {
        return simple(random);
    }
    let arms: Vec<Arm> = (0..=random(arms))
        .map(|_| {
            let tests: Vec<Test> = (0..=random(3))
                .map(|_| Test {
                    argument: u8::try_from(random(6)).unwrap(),
                    mask: random(8),
                    value: random(8),
                    holds_if_equal: random(2) == 0,
                })
                .collect();
            Arm {
                tests: Box::leak(tests.into_boxed_slice()),
                then: simple(random),
            }
        })
        .collect();
    Verdict::Check(
        Box::leak(arms.into_boxed_slice()),
        Box::leak(Box::new(simple(random))),
    )
}

/// Jumps that reach too far, and ends that are too far to be shared, are in none of the real programs.
#[test]
fn programs_of_any_length_say_what_their_lists_say() {
    let mut state = 0x2545_f491_u32;
    let mut random = |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    let mut plain_jumps = 0;
    for round in 0..60 {
        let numbers: Vec<u32> = (0..10 + 7 * round).filter(|_| random(4) > 0).collect();
        let drawn = numbers
            .into_iter()
            .map(|number| (number, drawn(&mut random, 12)));
        let listed: Vec<(u32, Verdict)> = drawn.collect();
        let code = compile(listed.clone(), Telling::Nobody);
        for (place, step) in code.iter().enumerate() {
            let left = code.len() - place - 1;
            let reach = match step.code {
                JUMP => step.k as usize,
                JUMP_IF_EQUAL | JUMP_IF_AT_LEAST => usize::from(step.jt.max(step.jf)),
                _ => continue,
            };
            assert!(reach < left, "a jump out of the program");
            plain_jumps += usize::from(step.code == JUMP);
        }
        for _ in 0..200 {
            let number = random(10 + 7 * round);
            let arguments: [u64; 6] = std::array::from_fn(|_| random(8).into());
            let found = listed.iter().find(|(known, _)| *known == number);
            let verdict = found.map_or(Verdict::Errno(libc::EPERM), |(_, verdict)| *verdict);
            let expected = match decided(verdict, &arguments) {
                Verdict::Allow | Verdict::Watched => RETURN_ALLOW,
                Verdict::Errno(errno) => RETURN_ERRNO | errno.unsigned_abs(),
                Verdict::Absent => RETURN_ERRNO | libc::ENOSYS.unsigned_abs(),
                Verdict::Check(..) => unreachable!(),
            };
            let call = Call {
                architecture: ARCHITECTURE,
                number,
                arguments,
            };
            assert_eq!(
                interpret(&code, &call),
                expected,
                "round {round}, call {number}"
            );
        }
    }
    assert!(plain_jumps > 0, "no program was long enough");
}
