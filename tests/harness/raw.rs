//! HTTP by hand, for requests that no library would send.

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Longer than any answer that a test waits for.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection.
pub struct Connection {
    stream: TcpStream,
}

/// What came back.
#[derive(Debug)]
pub struct RawAnswer {
    /// Of HTTP.
    pub status: u16,
    /// The lines of the head, in lower case.
    pub head: String,
    /// The body, where it is JSON; else null.
    pub json: Value,
}

impl Connection {
    /// Connects to `address:port`.
    pub fn open(address: &str) -> Connection {
        let stream = TcpStream::connect(address).expect("the host listens");
        stream.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout can be set");
        stream.set_write_timeout(Some(READ_TIMEOUT)).expect("a timeout can be set");
        Connection { stream }
    }

    /// Sends bytes. Whether the other side still took them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match self.stream.write_all(bytes) {
            Ok(()) => true,
            Err(error) => {
                let closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                assert!(closed.contains(&error.kind()), "cannot send: {error}");
                false
            }
        }
    }

    /// Hangs up without reading anything.
    pub fn hang_up(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Says that nothing more comes.
    pub fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads one answer, by its content-length. None: the connection ended first.
    pub fn read(&mut self) -> Option<RawAnswer> {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some(answer) = parse(&bytes) {
                return Some(answer);
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(length) => bytes.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => {
                    panic!("no answer: {error}; so far {:?}", String::from_utf8_lossy(&bytes))
                }
            }
        }
    }
}

/// Sends one request whole, and reads its answer.
pub fn exchange(address: &str, request: &[u8]) -> Option<RawAnswer> {
    let mut connection = Connection::open(address);
    connection.send(request);
    connection.read()
}

fn parse(bytes: &[u8]) -> Option<RawAnswer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
    let body = bytes.get(end..end + length)?;
    let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
    Some(RawAnswer { status, json: serde_json::from_slice(body).unwrap_or_default(), head })
}

impl RawAnswer {
    /// The answer, which has to be this error in CNSP's envelope.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> RawAnswer {
        let body = &self.json["result"]["providerresponse"];
        assert_eq!((self.status, body["errorcode"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(body["respcode"], status, "{self:?}");
        assert_eq!(self.json["result"]["success"], false, "{self:?}");
        assert_eq!(body["errormessage"], body["errorMessage"], "{self:?}");
        self
    }
}
