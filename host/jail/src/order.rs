//! What a keeper is told when it is to make a jail: the recipe, and where what comes out of the run goes.
//!
//! A keeper is forked before its recipe is known, so that it can begin with what every jail needs. The recipe then
//! reaches it as a sealed file in memory, in one message together with the outlets: a line of JSON, behind which stand
//! the standard input and the installed files as they are. Both sides are one program, and nobody else has the socket.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use host_core::{Ceilings, LimitName, LimitRequests, Limits, Origin};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};

use crate::keeper::{Inlets, Outlets};
use crate::recipe::JailRecipe;
use crate::streams;

/// The word that an order begins with.
const SAY_ORDER: [u8; 1] = *b"o";
/// What stands behind it for each descriptor that is sometimes there, when it is.
const THERE: u8 = b'+';
/// How many descriptors are sometimes there.
const SOMETIMES: usize = 4;
/// The recipe, the outlets and the inlets.
const DESCRIPTORS_MAX: usize = 9;

/// An order, as the keeper has it.
#[derive(Debug)]
pub(crate) struct Order {
    /// The recipe, or why it cannot be read.
    pub(crate) recipe: io::Result<JailRecipe>,
    pub(crate) inlets: Inlets,
    pub(crate) outlets: Outlets,
}

/// How long the parts of a recipe are that stand behind its first line.
#[derive(Deserialize, Serialize)]
struct Lengths {
    stdin: usize,
    installed: Vec<usize>,
    secrets: Vec<usize>,
}

/// Sends an order to the keeper behind `socket`.
pub(crate) fn send(
    socket: &OwnedFd,
    recipe: &JailRecipe,
    inlets: &Inlets,
    outlets: &Outlets,
) -> io::Result<()> {
    let file = written(recipe)?;
    let always = [
        &file,
        &outlets.stdout,
        &outlets.stderr,
        &outlets.report,
        &outlets.held,
    ];
    let sometimes: [_; SOMETIMES] = [
        &outlets.artifacts,
        &outlets.held_too,
        &inlets.stdin,
        &inlets.file,
    ];
    let descriptors: Vec<BorrowedFd<'_>> = always
        .into_iter()
        .chain(sometimes.into_iter().flatten())
        .map(AsFd::as_fd)
        .collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let there = sometimes.map(|descriptor| if descriptor.is_some() { THERE } else { b'-' });
    let word = [IoSlice::new(&SAY_ORDER), IoSlice::new(&there)];
    rustix::net::sendmsg(socket, &word, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits for an order; nothing when whoever started the keeper has none for it.
pub(crate) fn hear(socket: &OwnedFd) -> Option<Order> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut word = [0; SAY_ORDER.len()];
    let mut there = [0; SOMETIMES];
    loop {
        let mut slices = [IoSliceMut::new(&mut word), IoSliceMut::new(&mut there)];
        let heard =
            rustix::net::recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        match heard {
            Err(Errno::INTR) => {}
            Ok(heard) if heard.bytes == word.len() + SOMETIMES && word == SAY_ORDER => break,
            Ok(_) | Err(_) => return None,
        }
    }
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let mut next = descriptors.next()?;
    let file = next.next()?;
    let (stdout, stderr, report, held) = (next.next()?, next.next()?, next.next()?, next.next()?);
    let [artifacts, held_too, stdin, given] = there.map(|there| {
        let is_there = there == THERE;
        is_there.then(|| next.next()).flatten()
    });
    let outlets = Outlets {
        stdout,
        stderr,
        report,
        artifacts,
        held,
        held_too,
    };
    Some(Order {
        recipe: read(file),
        inlets: Inlets { stdin, file: given },
        outlets,
    })
}

fn written(recipe: &JailRecipe) -> io::Result<OwnedFd> {
    let lengths = Lengths {
        stdin: recipe.stdin.len(),
        installed: recipe.install.iter().map(|file| file.bytes.len()).collect(),
        secrets: recipe.secrets.iter().map(|file| file.bytes.len()).collect(),
    };
    // Neither the input nor the files are among what is written as JSON.
    let mut line = serde_json::to_vec(&(recipe, lengths))?;
    line.push(b'\n');
    let contents = [line.as_slice(), &recipe.stdin];
    let installed = recipe.install.iter().map(|file| file.bytes.as_slice());
    let secrets = recipe.secrets.iter().map(|file| file.bytes.as_slice());
    let contents = contents.into_iter().chain(installed).chain(secrets);
    streams::sealed_file("recipe", contents)
}

fn read(file: OwnedFd) -> io::Result<JailRecipe> {
    let mut file = BufReader::new(File::from(file));
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    let (mut recipe, lengths): (JailRecipe, Lengths) = serde_json::from_slice(&line)?;
    let mut take = |length: usize| -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    recipe.stdin = take(lengths.stdin)?;
    for (file, length) in recipe.install.iter_mut().zip(lengths.installed) {
        file.bytes = take(length)?;
    }
    for (secret, length) in recipe.secrets.iter_mut().zip(lengths.secrets) {
        secret.bytes = take(length)?;
    }
    Ok(recipe)
}

/// Paths as bytes, since not all of them are text.
pub(crate) mod path_bytes {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::OsString;

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().as_bytes().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        Vec::deserialize(deserializer).map(|bytes| OsString::from_vec(bytes).into())
    }
}

/// The same for lists of paths.
pub(crate) mod paths_bytes {
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize, Serialize)]
    #[serde(transparent)]
    struct Bytes(#[serde(with = "super::path_bytes")] PathBuf);

    pub(crate) fn serialize<S: Serializer>(
        paths: &[PathBuf],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().map(|path| Bytes(path.clone())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        let paths = Vec::<Bytes>::deserialize(deserializer)?;
        Ok(paths.into_iter().map(|path| path.0).collect())
    }
}

/// Limits with who asked for them, which their own form leaves out.
pub(crate) mod limits {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Ceilings, LimitName, LimitRequests, Limits, Origin};

    #[derive(Deserialize, Serialize)]
    struct Parts {
        defaults: LimitRequests,
        asked: LimitRequests,
    }

    pub(crate) fn serialize<S: Serializer>(
        limits: &Limits,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let (mut defaults, mut asked) = (LimitRequests::default(), LimitRequests::default());
        for name in LimitName::ALL {
            let part = if limits.asked(name) {
                &mut asked
            } else {
                &mut defaults
            };
            part.set(name.as_str(), &limits.text(name))
                .map_err(serde::ser::Error::custom)?;
        }
        Parts { defaults, asked }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Limits, D::Error> {
        let Parts { defaults, asked } = Parts::deserialize(deserializer)?;
        let defaults = Limits::default().with_defaults(&defaults);
        Limits::resolve(&defaults, &[(Origin::Caller, &asked)], &Ceilings::default())
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use host_core::RunId;

    use super::*;
    use crate::recipe::{Egress, InstalledFile, Learn, Opening, Program, SecretFile, Who};

    fn recipe() -> JailRecipe {
        let odd = PathBuf::from(OsString::from_vec(b"/srv/\xff\n".to_vec()));
        let mut asked = LimitRequests::default();
        asked.set("wall", "1500ms").unwrap();
        let limits = Limits::resolve(
            &Limits::default(),
            &[(Origin::Bundle, &asked)],
            &Ceilings::default(),
        );
        let file = |path: &str, bytes: &[u8]| InstalledFile {
            path: path.into(),
            executable: true,
            bytes: bytes.to_vec(),
        };
        JailRecipe {
            run: RunId::from_parts(7, [3; 10]),
            who: Who::RunAs {
                uid: 5,
                gid: 6,
                groups: vec![7],
            },
            user_name: "user".to_owned(),
            appear_root: true,
            system_paths: vec![odd.clone(), "/opt".into()],
            openings: vec![Opening {
                path: odd,
                writable: true,
                optional: false,
                capabilities: vec!["fs.write:/srv".to_owned()],
            }],
            never: vec!["/var/lib/host".into()],
            hidden: vec!["/etc/shadow".into()],
            apart: crate::recipe::Apart::default(),
            egress: vec![Egress {
                endpoint: "*.example.com:443@private".parse().unwrap(),
                except: vec!["10.1.0.0/16".parse().unwrap()],
            }],
            relay: Some(7),
            secrets: vec![SecretFile {
                name: "db".parse().unwrap(),
                bytes: b"hunter2\n".to_vec(),
            }],
            install: vec![file("a", b"\n\0{"), file("b", b""), file("c", &[255; 3000])],
            program: Program::File("/task/a".into()),
            environment: vec![("A".to_owned(), "b\nc".to_owned())],
            stdin: b"{\"x\": 1}\n".to_vec(),
            limits: limits.unwrap(),
            learn: Some(Learn {
                secrets: vec!["a\nb".to_owned()],
            }),
        }
    }

    #[test]
    fn a_recipe_arrives_as_it_was_sent() {
        let recipe = recipe();
        let read = read(written(&recipe).unwrap()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{recipe:?}"));
        assert_eq!(read.learn, recipe.learn);
        assert_eq!(read.secrets, recipe.secrets);
        assert!(!format!("{recipe:?}").contains("hunter2"));
    }

    #[test]
    fn a_recipe_that_was_cut_short_is_none() {
        let mut whole = Vec::new();
        let mut file = File::from(written(&recipe()).unwrap());
        file.read_to_end(&mut whole).unwrap();
        for length in [whole.len() - 1, whole.len() - 3_001, 40, 0] {
            let cut = streams::sealed_file("recipe", [&whole[..length]].into_iter());
            assert!(read(cut.unwrap()).is_err(), "{length}");
        }
    }
}
