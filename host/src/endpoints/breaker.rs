//! Whether the calls of an endpoint are made, after its last ones have all failed.
//!
//! Closed, calls are made. Failures in a row open it: calls are refused, so that nobody waits for what fails
//! anyway and nobody else's processor time goes into it. After a pause one probe is let through. Its success
//! closes the breaker, its failure opens it again, for longer.
//!
//! It has no clock and starts nothing: `probe.rs` gives it the time and makes the probe.

use crate::config;
use std::time::{Duration, Instant};

/// How long callers are told to wait while the probe is under way.
const PROBE_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The circuit breaker of one endpoint.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: config::Breaker,
    state: State,
    /// Grows with every change of state. What was let in during an earlier one says nothing about this one.
    era: u64,
    /// Calls that failed with no success between them, probes included.
    failures: u32,
    /// What the last of them was.
    last: String,
    /// Pauses that followed each other closely: each is twice as long as the one before.
    pauses: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Since when, unless it was never open.
    Closed(Option<Instant>),
    /// Until when there is no probe.
    Open(Instant),
    /// The probe is under way.
    HalfOpen,
}

/// What a call was let in with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    era: u64,
}

/// Why a call was not let in.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) failures: u32,
    pub(crate) last: String,
    pub(crate) retry_after: Duration,
    /// Whether the pause is over and nobody probes.
    pub(crate) due: bool,
}

impl Breaker {
    pub(crate) fn new(settings: config::Breaker) -> Breaker {
        let state = State::Closed(None);
        Breaker { settings, state, era: 0, failures: 0, last: String::new(), pauses: 0 }
    }

    /// Asks for one call.
    pub(crate) fn let_in(&self, now: Instant) -> Result<Pass, Open> {
        let (retry_after, due) = match self.state {
            State::Closed(_) => return Ok(Pass { era: self.era }),
            State::Open(until) if until > now => (until - now, false),
            State::Open(_) => (PROBE_RETRY_AFTER, true),
            State::HalfOpen => (PROBE_RETRY_AFTER, false),
        };
        Err(Open { failures: self.failures, last: self.last.clone(), retry_after, due })
    }

    /// Asks for the probe. Who gets the pass makes it, and says how it ended.
    pub(crate) fn let_probe(&mut self, now: Instant) -> Option<Pass> {
        match self.state {
            State::Open(until) if until <= now => {
                self.enter(State::HalfOpen);
                Some(Pass { era: self.era })
            }
            State::Open(_) | State::HalfOpen | State::Closed(_) => None,
        }
    }

    /// A call, or the probe, got an answer. Whether that has closed it.
    pub(crate) fn succeeded(&mut self, pass: Pass, now: Instant) -> bool {
        if pass.era != self.era {
            return false;
        }
        self.failures = 0;
        let closes = self.state == State::HalfOpen;
        if closes {
            self.enter(State::Closed(Some(now)));
        }
        closes
    }

    /// A call, or the probe, failed. When that has opened it: for how long.
    pub(crate) fn failed(&mut self, pass: Pass, what: &str, now: Instant) -> Option<Duration> {
        if pass.era != self.era {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        what.clone_into(&mut self.last);
        match self.state {
            State::Closed(_) if self.failures < self.settings.failure_count => None,
            State::Closed(since) => {
                // A probe can be well and the next calls not: only a while without trouble makes pauses short again.
                let calm = |since| now.saturating_duration_since(since) >= self.pause_max();
                if since.is_none_or(calm) {
                    self.pauses = 0;
                }
                Some(self.open(now))
            }
            State::Open(_) | State::HalfOpen => Some(self.open(now)),
        }
    }

    /// The probe could not be made, which says nothing about the plugin. After how long to try again.
    pub(crate) fn probe_was_not_made(&mut self, pass: Pass, now: Instant) -> Option<Duration> {
        if pass.era != self.era {
            return None;
        }
        let pause = Duration::from_millis(self.settings.pause_ms);
        self.enter(State::Open(now + pause));
        Some(pause)
    }

    /// Whether calls are refused.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed(_))
    }

    fn open(&mut self, now: Instant) -> Duration {
        let grown = 1_u32.checked_shl(self.pauses).unwrap_or(u32::MAX);
        let pause = Duration::from_millis(self.settings.pause_ms).saturating_mul(grown);
        let pause = pause.min(self.pause_max());
        self.pauses = self.pauses.saturating_add(1);
        self.enter(State::Open(now + pause));
        pause
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }

    fn pause_max(&self) -> Duration {
        Duration::from_millis(self.settings.pause_ms_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETTINGS: config::Breaker =
        config::Breaker { failure_count: 3, pause_ms: 1000, pause_ms_max: 5000 };

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// One that three failures have opened, and when.
    fn opened() -> (Breaker, Instant) {
        let (mut breaker, now) = (Breaker::new(SETTINGS), Instant::now());
        for _ in 0..3 {
            let pass = breaker.let_in(now).unwrap();
            breaker.failed(pass, "trapped", now);
        }
        (breaker, now)
    }

    #[test]
    fn failures_in_a_row_open_it_and_others_do_not() {
        let (mut breaker, now) = (Breaker::new(SETTINGS), Instant::now());
        for _ in 0..10 {
            let pass = breaker.let_in(now).unwrap();
            assert_eq!(breaker.failed(pass, "trapped", now), None);
            assert_eq!(breaker.failed(pass, "trapped", now), None);
            assert!(!breaker.succeeded(pass, now), "it was closed");
        }
        let pass = breaker.let_in(now).unwrap();
        let ends = [1, 2, 3].map(|_| breaker.failed(pass, "trapped", now));
        assert_eq!(ends, [None, None, Some(ms(1000))]);
        let open = breaker.let_in(now + ms(300)).unwrap_err();
        assert_eq!((open.failures, open.last.as_str()), (3, "trapped"));
        assert_eq!((open.retry_after, open.due), (ms(700), false));
    }

    #[test]
    fn a_burst_opens_it_once_and_its_rest_counts_for_nothing() {
        let (mut breaker, now) = (Breaker::new(SETTINGS), Instant::now());
        let burst: Vec<Pass> = (0..64).map(|_| breaker.let_in(now).unwrap()).collect();
        let opened = burst.iter().filter_map(|pass| breaker.failed(*pass, "trapped", now));
        assert_eq!(opened.collect::<Vec<_>>(), [ms(1000)]);
    }

    #[test]
    fn a_success_that_began_before_it_opened_does_not_close_it() {
        let (mut breaker, now) = (Breaker::new(SETTINGS), Instant::now());
        let early = breaker.let_in(now).unwrap();
        for _ in 0..3 {
            breaker.failed(early, "trapped", now);
        }
        assert!(!breaker.succeeded(early, now));
        assert!(breaker.is_open());
        // Nor while the probe is under way, nor does a late failure count against it.
        let probe = breaker.let_probe(now + ms(1000)).unwrap();
        assert!(!breaker.succeeded(early, now + ms(1000)));
        assert_eq!(breaker.failed(early, "trapped", now + ms(1000)), None);
        assert!(breaker.succeeded(probe, now + ms(1001)));
        assert_eq!(breaker.failed(early, "trapped", now + ms(1002)), None);
        assert!(!breaker.is_open());
    }

    #[test]
    fn one_probe_is_let_through_and_its_success_closes_it() {
        let (mut breaker, now) = opened();
        assert!(breaker.let_probe(now + ms(999)).is_none());
        assert!(breaker.let_in(now + ms(1000)).unwrap_err().due);
        let probe = breaker.let_probe(now + ms(1000)).unwrap();
        assert!(breaker.let_probe(now + ms(2000)).is_none());
        assert!(!breaker.let_in(now + ms(2000)).unwrap_err().due);
        assert!(breaker.succeeded(probe, now + ms(2000)));
        assert!(breaker.let_in(now + ms(2000)).is_ok());
    }

    #[test]
    fn pauses_grow_to_their_maximum_until_it_was_calm_for_as_long() {
        let (mut breaker, mut now) = opened();
        let mut pause = ms(1000);
        for expected in [2000, 4000, 5000, 5000] {
            now += pause;
            let probe = breaker.let_probe(now).unwrap();
            pause = breaker.failed(probe, "trapped", now).unwrap();
            assert_eq!(pause, ms(expected));
        }
        // A probe that is well does not make up for calls that are not.
        for (calm, expected) in [(4999, 5000), (5000, 1000), (0, 2000)] {
            now += pause;
            let probe = breaker.let_probe(now).unwrap();
            assert!(breaker.succeeded(probe, now));
            now += ms(calm);
            let pass = breaker.let_in(now).unwrap();
            breaker.failed(pass, "trapped", now);
            breaker.failed(pass, "trapped", now);
            pause = breaker.failed(pass, "trapped", now).unwrap();
            assert_eq!(pause, ms(expected), "after {calm} ms");
        }
    }

    #[test]
    fn a_probe_that_was_not_made_changes_nothing_but_its_time() {
        let (mut breaker, now) = opened();
        let probe = breaker.let_probe(now + ms(1000)).unwrap();
        assert_eq!(breaker.probe_was_not_made(probe, now + ms(1000)), Some(ms(1000)));
        let probe = breaker.let_probe(now + ms(2000)).unwrap();
        assert_eq!(breaker.failed(probe, "trapped", now + ms(2000)), Some(ms(2000)));
        assert_eq!(breaker.probe_was_not_made(probe, now + ms(2000)), None, "it has ended");
    }

    /// What can happen to it; calls end in any order.
    #[derive(Clone, Debug)]
    enum Event {
        Call,
        Ends(usize, bool),
        Probe,
        ProbeEnds(u8),
        Wait(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            3 => Just(Event::Call),
            4 => (any::<usize>(), prop::bool::weighted(0.3)).prop_map(|(at, well)| Event::Ends(at, well)),
            2 => Just(Event::Probe),
            2 => (0_u8..3).prop_map(Event::ProbeEnds),
            2 => (0_u64..3000).prop_map(Event::Wait),
        ]
    }

    proptest! {
        #[test]
        fn it_is_never_stuck_and_never_wrong(events in prop::collection::vec(event(), 0..200)) {
            let (mut breaker, mut now) = (Breaker::new(SETTINGS), Instant::now());
            // Of calls: whether they began since the last change of state.
            let mut calls: Vec<(Pass, bool)> = Vec::new();
            let mut probe: Option<Pass> = None;
            let mut row = 0;
            let mut until = now;
            for event in events {
                let was_open = breaker.is_open();
                match event {
                    Event::Wait(time) => now += ms(time),
                    Event::Call => match breaker.let_in(now) {
                        Ok(pass) => {
                            prop_assert!(!was_open);
                            calls.push((pass, true));
                        }
                        Err(open) => {
                            prop_assert!(was_open);
                            prop_assert!(open.retry_after <= ms(5000));
                            prop_assert_eq!(open.due, probe.is_none() && now >= until);
                        }
                    },
                    Event::Ends(at, well) => {
                        if calls.is_empty() {
                            continue;
                        }
                        let at = at % calls.len();
                        let (pass, counts) = calls.swap_remove(at);
                        if well {
                            prop_assert!(!breaker.succeeded(pass, now), "only a probe closes it");
                            row = if counts { 0 } else { row };
                        } else {
                            row += u32::from(counts);
                            let opened = breaker.failed(pass, "trapped", now);
                            prop_assert_eq!(opened.is_some(), counts && row == 3);
                            if let Some(pause) = opened {
                                prop_assert!(pause >= ms(1000) && pause <= ms(5000));
                                until = now + pause;
                                calls.iter_mut().for_each(|(_, counts)| *counts = false);
                            }
                        }
                    }
                    Event::Probe => {
                        let let_in = breaker.let_probe(now);
                        prop_assert_eq!(let_in.is_some(), was_open && probe.is_none() && now >= until);
                        probe = probe.or(let_in);
                    }
                    Event::ProbeEnds(how) => {
                        let Some(pass) = probe.take() else { continue };
                        let pause = match how {
                            0 => {
                                prop_assert!(breaker.succeeded(pass, now));
                                row = 0;
                                None
                            }
                            1 => breaker.failed(pass, "trapped", now),
                            _ => breaker.probe_was_not_made(pass, now),
                        };
                        prop_assert_eq!(breaker.is_open(), pause.is_some());
                        until = now + pause.unwrap_or_default();
                    }
                }
            }
            // Wherever it is: once whoever is inside has ended, a pause and a good probe close it.
            if let Some(pass) = probe {
                breaker.probe_was_not_made(pass, now);
            }
            if breaker.is_open() {
                let pass = breaker.let_probe(now + ms(5000)).unwrap();
                prop_assert!(breaker.succeeded(pass, now + ms(5000)));
            }
            prop_assert!(breaker.let_in(now + ms(5000)).is_ok());
        }
    }
}
