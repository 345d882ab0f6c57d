//! Carries standard input to a program: through a socket, so that no descriptor of ours gets into its jail, and piece by
//! piece as the program asks, since what it does not read is whoever else's who reads it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// How much is carried at once, in bytes.
const PIECE_BYTES: usize = 16 * 1024;
/// How many askings are read at once, in bytes.
const ASKINGS_BYTES: usize = 64;

/// What is to be carried, once the program runs.
#[derive(Debug)]
pub(super) struct Pumping(UnixStream);

/// A stream: the program's end, and ours.
pub(super) fn stream() -> io::Result<(OwnedFd, Pumping)> {
    let (theirs, ours) = UnixStream::pair()?;
    Ok((theirs.into(), Pumping(ours)))
}

impl Pumping {
    /// Carries from now on, in a thread that nobody waits for: whoever types may never stop.
    ///
    /// ORDER: only when every process has been forked that is to be.
    pub(super) fn begin(self) {
        std::thread::spawn(move || {
            let mut program = self.0;
            let mut piece = vec![0; PIECE_BYTES];
            while is_asked(&mut program) {
                let read = take(&mut piece);
                let read = piece.get(..read).unwrap_or_default();
                if read.is_empty() {
                    break;
                }
                // A program that reads no more has closed its end.
                if program.write_all(read).is_err() {
                    return;
                }
            }
            let _ = program.shutdown(Shutdown::Write);
            // Its end of the stream stays one that can be asked: whoever asks finds the end, and no error.
            while is_asked(&mut program) {}
        });
    }
}

/// Waits until the program wants more; says so, or that it never will.
fn is_asked(program: &mut UnixStream) -> bool {
    let mut askings = [0; ASKINGS_BYTES];
    uninterrupted(|| program.read(&mut askings)).is_ok_and(|asked| asked > 0)
}

/// The next piece of standard input, which is empty at its end.
fn take(piece: &mut [u8]) -> usize {
    uninterrupted(|| io::stdin().lock().read(piece)).unwrap_or(0)
}

fn uninterrupted(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
