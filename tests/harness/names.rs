//! A DNS server that says what a test wants, over UDP (RFC 1035).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What each name answers, one time after the other; the last answer stays.
type Answers = HashMap<String, Vec<Vec<IpAddr>>>;

/// A server on a port of its own, for as long as the test runs.
pub struct Names {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    /// Starts one that knows no name.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Names {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("it has an address");
        let answers: Arc<Mutex<Answers>> = Arc::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (answers.clone(), asked.clone());
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut answers = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(answer) = answer(&question[..length], &mut answers) {
                    drop(socket.send_to(&answer, from));
                }
            }
        });
        Names { address, answers, asked }
    }

    /// Lets a name answer with these addresses: each list one time, the last one ever after. Both kinds of
    /// addresses are asked for each time, and count once.
    pub fn set(&self, name: &str, answers: &[&[&str]]) {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        let answers = answers.iter().map(parse).collect();
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), answers);
    }

    /// `ADDRESS:PORT`, for the setting `egress.nameservers`.
    pub fn setting(&self) -> String {
        self.address.to_string()
    }

    /// How many questions there were.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The answer to a question, with a time to live of 0.
fn answer(question: &[u8], answers: &mut Answers) -> Option<Vec<u8>> {
    let (name, kind, end) = read_question(question)?;
    let known = answers.get_mut(&name);
    let list: Vec<IpAddr> =
        known.as_ref().and_then(|list| list.first().cloned()).unwrap_or_default();
    let fits = |address: &&IpAddr| kind == if address.is_ipv4() { 1 } else { 28 };
    let found: Vec<&IpAddr> = list.iter().filter(fits).collect();
    // The next answer comes when this one was told.
    if let Some(known) = known
        && known.len() > 1
        && !found.is_empty()
    {
        known.remove(0);
    }
    let code = if list.is_empty() { 3 } else { 0 };
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x85, 0x80 | code, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
    answer.extend(question.get(12..end)?);
    for address in found {
        answer.extend([0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 0]);
        match address {
            IpAddr::V4(address) => {
                answer.extend([0, 4]);
                answer.extend(address.octets());
            }
            IpAddr::V6(address) => {
                answer.extend([0, 16]);
                answer.extend(address.octets());
            }
        }
    }
    Some(answer)
}

/// The name, its type, and where the question ends.
fn read_question(bytes: &[u8]) -> Option<(String, u16, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(bytes.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}
