//! One cell: an operation, one of its requests to the provider, and what goes wrong with it. And how it has to end.

use super::lane::{Lane, Picture, settle, succeed};
use super::operation::{Operation, Request, Scene};
use super::provider::Provider;
use super::third::{End, Third};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::fault_proxy::{Exchange, Fault};
use std::fmt;

/// How many ask again at the same time.
const REPEATS: usize = 4;
/// What can go wrong with a request that changes something; but who says 404 to a deletion has said that it was done.
const EFFECT_FAULTS: [Fault; 14] = [
    Fault::DropBefore,
    Fault::DropAfter,
    Fault::SilentAfter,
    Fault::Status(500),
    Fault::FailedAfter,
    Fault::Status(503),
    Fault::Status(429),
    Fault::Status(401),
    Fault::Status(404),
    Fault::Status(409),
    Fault::Status(422),
    Fault::Garbage,
    Fault::Truncated,
    Fault::Empty,
];
/// What can go wrong with one that changes nothing: who says 404 to it has lied.
const READ_FAULTS: [Fault; 9] = [
    Fault::DropBefore,
    Fault::SilentAfter,
    Fault::Status(500),
    Fault::Status(503),
    Fault::Status(429),
    Fault::Status(401),
    Fault::Garbage,
    Fault::Truncated,
    Fault::Empty,
];

/// What came out otherwise than it has to; else why it ended in a third way, if it did.
pub(crate) type Verdict = Result<Option<&'static str>, String>;

/// How an operation goes when nothing goes wrong.
pub(crate) struct Course {
    pub(crate) operation: Operation,
    pub(crate) before: Picture,
    pub(crate) after: Picture,
    pub(crate) exchanges: Vec<Exchange>,
}

/// When the host is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// The request has arrived, and nothing was done.
    Before,
    /// It was done, and nobody was told.
    After,
    /// The host was told, the moment before.
    Told,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// With this request alone.
    Once(Fault),
    /// With this request and the next.
    Twice(Fault),
    /// With this request and everything after it, until the caller has an answer.
    Outage,
    Killed(Kill),
}

pub(crate) struct Cell<'a> {
    pub(crate) course: &'a Course,
    /// Which of its requests, counted from 0.
    pub(crate) number: usize,
    pub(crate) event: Event,
}

impl Course {
    /// Runs the operation with nothing that goes wrong.
    pub(crate) fn of<P: Provider>(operation: Operation, lane: &Lane<P>, client: &Client) -> Course {
        let scene = operation.set(lane, client);
        let before = lane.picture(client, &scene, None);
        let request = operation.request(lane, &scene);
        lane.provider.prepare();
        lane.proxy.watch();
        let answer = succeed(|| request.ask(client));
        let exchanges = lane.proxy.exchanges();
        let after = pictured(operation, lane, client, &scene, &answer);
        assert_ne!(before, after, "{operation:?} changes nothing at {}", P::NAME);
        Course { operation, before, after, exchanges }
    }

    /// Everything that can go wrong without a kill.
    pub(crate) fn faults<P: Provider>(&self) -> Vec<Cell<'_>> {
        let mut cells = Vec::new();
        for (number, exchange) in self.exchanges.iter().enumerate() {
            let faults = if exchange.is_effect() { &EFFECT_FAULTS[..] } else { &READ_FAULTS[..] };
            let says = |fault: &&Fault| match fault {
                // Nothing can be cut from nothing.
                Fault::Garbage | Fault::Truncated | Fault::Empty => exchange.body_bytes > 1,
                Fault::Status(404) if exchange.method == "DELETE" => false,
                Fault::Status(status) => !P::is_lie(exchange, *status),
                _ => true,
            };
            let mut events: Vec<Event> =
                faults.iter().filter(says).map(|fault| Event::Once(*fault)).collect();
            events.push(Event::Outage);
            if exchange.is_effect() {
                events.extend([Fault::DropBefore, Fault::DropAfter].map(Event::Twice));
            }
            cells.extend(events.into_iter().map(|event| Cell { course: self, number, event }));
        }
        cells
    }

    /// Every moment to be killed at.
    pub(crate) fn kills(&self) -> Vec<Cell<'_>> {
        let mut cells = Vec::new();
        for (number, exchange) in self.exchanges.iter().enumerate() {
            let last = number + 1 == self.exchanges.len();
            let kills =
                [(Kill::Before, exchange.is_effect()), (Kill::After, true), (Kill::Told, last)];
            let kills = kills.into_iter().filter(|(_, counts)| *counts);
            let events = kills.map(|(kill, _)| Event::Killed(kill));
            cells.extend(events.map(|event| Cell { course: self, number, event }));
        }
        cells
    }
}

/// How things are after an answer.
fn pictured<P: Provider>(
    operation: Operation,
    lane: &Lane<P>,
    client: &Client,
    scene: &Scene,
    answer: &Answer,
) -> Picture {
    let text = |key: &str| answer.body()[key].as_str().map(str::to_owned);
    let of = |wanted, key| if operation == wanted { text(key) } else { None };
    let made = of(Operation::CreateResource, "providerinstanceid");
    let mut scene = scene.clone();
    scene.account.id =
        of(Operation::CreateAccount, "provideraccountid").unwrap_or(scene.account.id);
    lane.picture(client, &scene, made.as_deref())
}

impl Cell<'_> {
    pub(crate) fn exchange(&self) -> &Exchange {
        &self.course.exchanges[self.number]
    }

    /// From now on, it goes wrong.
    pub(crate) fn begin<P>(&self, lane: &Lane<P>) {
        let from = self.number;
        let (until, fault) = match self.event {
            Event::Once(fault) => (from + 1, fault),
            Event::Twice(fault) => (from + 2, fault),
            Event::Outage => (usize::MAX, Fault::DropBefore),
            Event::Killed(Kill::Before) => (from + 1, Fault::SilentBefore),
            Event::Killed(Kill::After) => (from + 1, Fault::SilentAfter),
            Event::Killed(Kill::Told) => (from + 1, Fault::Late),
        };
        lane.proxy.fail(from..until, fault);
    }

    /// Runs one that is not about a kill.
    pub(crate) fn run<P: Provider>(&self, lane: &Lane<P>, client: &Client) -> Verdict {
        let Course { operation, .. } = self.course;
        let scene = operation.set(lane, client);
        let request = operation.request(lane, &scene);
        lane.provider.prepare();
        self.begin(lane);
        let mut first = Some(request.ask(client));
        if self.event == Event::Outage {
            lane.proxy.calm();
        }
        let ended = settle(|| first.take().unwrap_or_else(|| request.ask(client)));
        lane.proxy.calm();
        self.judge(lane, client, &scene, &request, ended)
    }

    pub(crate) fn judge<P: Provider>(
        &self,
        lane: &Lane<P>,
        client: &Client,
        scene: &Scene,
        request: &Request,
        ended: Result<Answer, String>,
    ) -> Verdict {
        let Course { operation, before, after, exchanges } = self.course;
        let seen = lane.proxy.exchanges();
        let asked: Vec<String> = seen.iter().map(Exchange::step).collect();
        let answer = ended.map_err(|last| format!("{self}: no end: {last}\n  asked: {asked:?}"))?;
        let mut wrong = Vec::new();
        if seen.len() <= self.number {
            wrong.push("it did not come so far".to_owned());
        }
        if let Event::Killed(_) = self.event {
            wrong.extend(once_each(exchanges, &seen, self.number));
        }
        wrong.extend(repeated(lane, client, request, &answer));
        let picture = pictured(*operation, lane, client, scene, &answer);
        let success = answer.result()["success"] == true;
        let expected = if success { after } else { before };
        let mut third = None;
        if picture != *expected {
            third = Third::of::<P>(self).filter(|_| !success);
            let end = End { scene, answer: &answer, picture: &picture };
            wrong.extend(match third {
                Some(third) => third.judge(self, lane, client, &end),
                None => {
                    Some(format!("success {success}, and\n  {picture:?}\n  is not {expected:?}"))
                }
            });
        }
        match wrong.is_empty() {
            true => Ok(third.map(|third| third.why)),
            false => {
                Err(format!("{self}: {}\n  {}\n  asked: {asked:?}", wrong.join("; "), answer.text))
            }
        }
    }
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, step) = (self.number + 1, self.exchange().step());
        write!(text, "{:?}, request {number}, {step}, {:?}", self.course.operation, self.event)
    }
}

/// Whoever asks again is answered the same, and nothing is asked of the provider for it. Another request is refused.
fn repeated<P: Provider>(
    lane: &Lane<P>,
    client: &Client,
    request: &Request,
    answer: &Answer,
) -> Option<String> {
    let before = lane.effects();
    let again: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..REPEATS).map(|_| scope.spawn(|| request.ask(client))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    if let Some(other) =
        again.iter().find(|again| (again.status, &again.json) != (answer.status, &answer.json))
    {
        return Some(format!("a repeat was answered {}", other.text));
    }
    let another = request.another().ask(client);
    if (another.status, another.code()) != (409, "REQUEST_ID_REUSED") {
        return Some(format!("another body was answered {}", another.text));
    }
    let more = lane.effects() - before;
    (more > 0).then(|| format!("the repeats made {more} requests"))
}

/// After a kill: what the host had taken down the answer to is not asked for again, and what it had not once more at
/// most.
fn once_each(course: &[Exchange], seen: &[Exchange], number: usize) -> Option<String> {
    let count = |of: &[Exchange], step: &str| {
        of.iter().filter(|exchange| exchange.is_effect() && exchange.step() == step).count()
    };
    let steps = course.iter().filter(|exchange| exchange.is_effect()).map(Exchange::step);
    steps.into_iter().find_map(|step| {
        let (expected, found) = (count(course, &step), count(seen, &step));
        let is_open = course[number].step() == step;
        let right = found == expected || (is_open && found == expected + 1);
        (!right).then(|| format!("`{step}` was asked for {found} times and not {expected}"))
    })
}
