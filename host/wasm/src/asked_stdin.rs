//! Standard input that is asked for: nobody takes anything from whoever else reads it before the guest wants it.
//!
//! It is a stream socket. One byte to the other end asks for the next piece, which then arrives here, or the end does.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::net::SendFlags;
use tokio::io::AsyncRead;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError};

/// Whether a piece was asked for of which nothing has been read yet. There is one standard input, whatever handles lead
/// to it.
static ASKED: AtomicBool = AtomicBool::new(false);

/// The standard input of this process.
#[derive(Debug)]
pub(crate) struct AskedStdin;

impl IsTerminal for AskedStdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for AskedStdin {
    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(Asking(wasmtime_wasi::cli::stdin().p2_stream()))
    }

    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        // Only later versions of WASI read it so, and there are none here.
        Box::new(tokio::io::empty())
    }
}

/// A stream that asks before it reads.
struct Asking(Box<dyn InputStream>);

fn ask() {
    if !ASKED.swap(true, Ordering::Relaxed) {
        // Without anybody to ask the stream has ended, which reading it tells.
        let _ = rustix::net::send(rustix::stdio::stdin(), b"?", SendFlags::NOSIGNAL);
    }
}

#[async_trait]
impl Pollable for Asking {
    async fn ready(&mut self) {
        ask();
        self.0.ready().await;
    }
}

#[async_trait]
impl InputStream for Asking {
    fn read(&mut self, size: usize) -> Result<Bytes, StreamError> {
        if size > 0 {
            ask();
        }
        let read = self.0.read(size)?;
        if !read.is_empty() {
            ASKED.store(false, Ordering::Relaxed);
        }
        Ok(read)
    }
}
