//! A connection's socket, where its task is.
//!
//! The system tells one set of threads that a socket can be read. When a task has gone over to the heavy threads for
//! good, that has to be these: else each of its requests would wake a quick thread first.

use crate::heavy;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A socket that follows its task.
pub(super) struct Socket {
    /// None: it could not follow, and is closed.
    stream: Option<TcpStream>,
    /// Whether the heavy threads are told.
    heavy: bool,
    /// Whether the last read was over there. One call alone goes there and back: to follow it takes longer.
    away: bool,
    /// Whether a write waits for room: who is to be told of it stays the same.
    blocked: bool,
}

impl Socket {
    /// One that the threads which call this are told of.
    pub(super) fn new(stream: TcpStream) -> Socket {
        Socket { stream: Some(stream), heavy: heavy::is_here(), away: false, blocked: false }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Follows the task, if it stays where it is.
    fn follow(&mut self) -> io::Result<()> {
        let here = heavy::is_here();
        let away = here != self.heavy && !self.blocked;
        if away && std::mem::replace(&mut self.away, true) {
            self.stream = match self.stream.take() {
                Some(stream) => Some(TcpStream::from_std(stream.into_std()?)?),
                None => None,
            };
            self.heavy = here;
        }
        self.away = away && here != self.heavy;
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.follow()?;
        self.stream()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write(context, bytes);
        self.blocked = written.is_pending();
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write_vectored(context, slices);
        self.blocked = written.is_pending();
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_socket_follows_a_task_that_stays_where_it_went() {
        heavy::start().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let serving = tokio::spawn(heavy::task(async move {
            let mut socket = Socket::new(stream);
            let mut told = vec![socket.heavy];
            heavy::leave().await;
            for _ in 0..3 {
                let mut byte = [0];
                socket.read_exact(&mut byte).await.unwrap();
                socket.write_all(&byte).await.unwrap();
                told.push(socket.heavy);
            }
            told
        }));
        for byte in 0..3 {
            client.write_all(&[byte]).await.unwrap();
            let mut echo = [0];
            client.read_exact(&mut echo).await.unwrap();
            assert_eq!(echo, [byte]);
        }
        let told = serving.await.unwrap();
        assert_eq!((told[0], told[2], told[3]), (false, true, true));
    }
}
