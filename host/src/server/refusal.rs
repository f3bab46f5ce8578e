//! What hyper refuses by itself, in the envelope.
//!
//! A head that cannot be read, or that is longer than hyper's buffer, never reaches a route: hyper answers
//! it with a bare status and closes. There is no hook for that answer, so it is exchanged here, on its way
//! out: an answer of the routes always has a body, and these are the only ones that have none.

use crate::api;
use crate::config;
use crate::error::{Error, ErrorCode};
use bytes::{Buf, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How much of what a refused client still sends is taken, so that it gets to reading its answer: a
/// connection that is closed before that is reset, and the answer lost.
const LINGER_BYTES_MAX: usize = 4 << 20;
/// And for how long.
const LINGER: Duration = Duration::from_secs(2);

/// A connection whose bare refusals become answers of ours.
pub(super) struct Refusing<S> {
    stream: S,
    limits: config::Http,
    /// What is still to be written of the answer to what could not be read.
    instead: Option<Bytes>,
    lingering: Option<Lingering>,
}

struct Lingering {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S> Refusing<S> {
    pub(super) fn new(stream: S, limits: config::Http) -> Refusing<S> {
        Refusing { stream, limits, instead: None, lingering: None }
    }

    /// Whether the bytes are an answer of hyper's own; then ours is written instead.
    fn exchanges(&mut self, head: &[u8]) -> bool {
        if self.instead.is_none() {
            self.instead = ours(head, &self.limits);
        }
        self.instead.is_some()
    }
}

/// Our answer, where `head` is a bare refusal.
fn ours(head: &[u8], limits: &config::Http) -> Option<Bytes> {
    let version = [b"HTTP/1.1 4", b"HTTP/1.0 4"].into_iter().find(|of| head.starts_with(*of))?;
    let head = std::str::from_utf8(head).ok()?;
    let (before, after) = head.strip_suffix("\r\n\r\n")?.split_once("\r\ncontent-length: 0")?;
    let (line, others) = before.split_at(before.find("\r\n").unwrap_or(before.len()));
    let error = match line.get(version.len() - 1..)?.get(..3)? {
        "400" => Error::new(
            ErrorCode::InvalidRequest,
            "The request is not HTTP/1.1: its first line or a header cannot be read.",
        ),
        "414" | "431" => Error::new(
            ErrorCode::HeadersTooLarge,
            format!(
                "The request's first line and headers are far longer than the {} headers with {} bytes that it may have.",
                limits.header_count_max, limits.header_bytes_max
            ),
        ),
        _ => return None,
    };
    Some(api::refusal(&error, &format!("{others}{after}")))
}

impl<S: AsyncRead + Unpin> AsyncRead for Refusing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Refusing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if !this.exchanges(bytes) {
            return Pin::new(&mut this.stream).poll_write(context, bytes);
        }
        while let Some(rest) = this.instead.as_mut().filter(|rest| rest.has_remaining()) {
            match ready!(Pin::new(&mut this.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => rest.advance(written),
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        match first.filter(|first| self.exchanges(first)) {
            Some(first) => self.poll_write(context, first),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if this.instead.is_none() {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this.lingering.get_or_insert_with(|| Lingering {
            until: Box::pin(tokio::time::sleep(LINGER)),
            bytes: 0,
        });
        while lingering.bytes < LINGER_BYTES_MAX
            && lingering.until.as_mut().poll(context).is_pending()
        {
            let mut piece = [0; 4096];
            let mut buffer = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer))?;
            match buffer.filled().len() {
                0 => break,
                length => lingering.bytes += length,
            }
        }
        Poll::Ready(Ok(()))
    }
}
