//! Carries standard input to a program: through a pipe, so that no descriptor of ours gets into its jail.

use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;

/// How much is carried at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// What is to be carried, once the program runs.
#[derive(Debug)]
pub(super) struct Pumping(PipeWriter);

/// A pipe: the program's end, and ours.
pub(super) fn pipe() -> io::Result<(OwnedFd, Pumping)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), Pumping(writer)))
}

impl Pumping {
    /// Carries from now on, in a thread that nobody waits for: whoever types may never stop.
    ///
    /// ORDER: only when every process has been forked that is to be.
    pub(super) fn begin(self) {
        std::thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut writer = self.0;
            let mut piece = vec![0; PIECE_BYTES];
            loop {
                match stdin.read(&mut piece) {
                    Ok(0) => break,
                    Ok(read) => {
                        // A program that reads no more has closed its end.
                        if writer
                            .write_all(piece.get(..read).unwrap_or_default())
                            .is_err()
                        {
                            break;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        });
    }
}
