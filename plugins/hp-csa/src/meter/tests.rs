//! Observations, and what is billed of them.

use super::*;
use crate::money;
use crate::parts::{Part, Rule};
use crate::settings::Proration;
use crate::terms::Recurring;
use crate::time::{Every, Zone, parse};
use proptest::prelude::*;
use rust_decimal::Decimal;

const HOUR: i64 = 3_600_000;

fn at(text: &str) -> i64 {
    parse(&format!("{text}Z")).unwrap()
}

fn terms(price: i64) -> Terms {
    Terms {
        currency: "usd".to_owned(),
        setup: Some(Decimal::from(1200)),
        recurring: Some(Recurring {
            price: Decimal::from(price),
            unit_price: Decimal::ZERO,
            every: Every::Month,
        }),
    }
}

fn see(meter: &mut Meter, when: &str, stage: Stage, price: i64) -> Option<Interval> {
    meter.observe(&Observation {
        at: at(when),
        stage,
        start: Some(at("2026-01-10T00:00:00")),
        label: &Label::default(),
        terms: Some(&terms(price)),
        reservation: None,
    })
}

fn rule<'a>(zone: &'a Zone, proration: Proration) -> Rule<'a> {
    Rule { zone, proration }
}

/// Quantities of what begins in a window.
fn quantities(intervals: &[Interval], known: &str, proration: Proration) -> Vec<String> {
    let zone = Zone::named("UTC").unwrap();
    let window = at("2026-01-01T00:00:00")..at("2027-01-01T00:00:00");
    let (parts, _) = rule(&zone, proration).parts(intervals, at(known), &window);
    parts.iter().map(|part| money::text(part.quantity)).collect()
}

fn between(from: &str, to: Option<&str>) -> Interval {
    Interval {
        from: at(from),
        from_slack: 0,
        to: to.map(at),
        to_slack: 0,
        label: Label::default(),
        terms: Some(terms(31)),
        reservation: Map::new(),
    }
}

#[test]
fn nothing_is_paid_before_it_is_deployed_and_after_it_is_over() {
    let mut meter = Meter::default();
    assert_eq!(see(&mut meter, "2026-01-10T01:00:00", Stage::Before, 1), None);
    assert_eq!((&meter.begun, &meter.open), (&None, &None));
    see(&mut meter, "2026-01-10T03:00:00", Stage::Deployed, 1);
    let open = meter.open.clone().unwrap();
    assert_eq!((open.from, open.from_slack), (at("2026-01-10T03:00:00"), 2 * HOUR));
    // Unchanged, at work, a clock that was set back: nothing ends.
    for (when, stage) in [
        ("2026-01-10T04:00:00", Stage::Deployed),
        ("2026-01-10T05:00:00", Stage::Between),
        ("2026-01-10T04:30:00", Stage::Over(None)),
    ] {
        assert_eq!(see(&mut meter, when, stage, 1), None);
    }
    let over = see(&mut meter, "2026-01-10T06:00:00", Stage::Over(None), 1).unwrap();
    assert_eq!((over.to, over.to_slack), (Some(at("2026-01-10T06:00:00")), HOUR));
    assert_eq!((meter.over, &meter.open), (over.to, &None));
    // It comes to life again, and has been set up already.
    see(&mut meter, "2026-01-11T06:00:00", Stage::Deployed, 1);
    assert_eq!(meter.open.unwrap().from, at("2026-01-11T06:00:00"));
    assert_eq!(meter.begun.unwrap().at, at("2026-01-10T03:00:00"));
}

#[test]
fn the_first_look_may_be_late_and_an_end_date_is_exact() {
    let mut meter = Meter::default();
    see(&mut meter, "2026-01-20T00:00:00", Stage::Deployed, 1);
    assert_eq!(meter.begun.as_ref().unwrap().at, at("2026-01-10T00:00:00"));
    let end = Stage::Over(Some(at("2026-01-20T12:00:00")));
    let over = see(&mut meter, "2026-01-21T00:00:00", end, 1).unwrap();
    assert_eq!((over.to, over.to_slack), (Some(at("2026-01-20T12:00:00")), 0));
    // What was seen deployed after its end date was deployed.
    let mut meter = Meter::default();
    see(&mut meter, "2026-01-21T00:00:00", Stage::Deployed, 1);
    let over = see(&mut meter, "2026-01-22T00:00:00", end, 1).unwrap();
    assert_eq!(over.to, Some(at("2026-01-21T00:00:00")));
    // What failed before anybody saw it deployed is not paid.
    let mut meter = Meter::default();
    assert_eq!(see(&mut meter, "2026-01-21T00:00:00", Stage::Over(None), 1), None);
    assert_eq!((meter.begun, meter.over), (None, Some(at("2026-01-21T00:00:00"))));
    let mut meter = Meter::default();
    see(&mut meter, "2026-01-20T00:00:00", Stage::Deployed, 1);
    let gone = meter.vanish(at("2026-01-21T00:00:00")).unwrap();
    assert_eq!((gone.to, gone.to_slack), (Some(at("2026-01-21T00:00:00")), 24 * HOUR));
}

#[test]
fn a_flex_ends_an_interval_and_begins_another() {
    let mut meter = Meter::default();
    see(&mut meter, "2026-01-10T00:00:00", Stage::Deployed, 100);
    see(&mut meter, "2026-01-10T01:00:00", Stage::Deployed, 100);
    let first = see(&mut meter, "2026-01-10T02:00:00", Stage::Deployed, 150).unwrap();
    assert_eq!((first.to, first.to_slack), (Some(at("2026-01-10T02:00:00")), HOUR));
    assert_eq!(first.terms, Some(terms(100)));
    let open = meter.open.clone().unwrap();
    assert_eq!(
        (open.from, open.from_slack, open.terms),
        (at("2026-01-10T02:00:00"), HOUR, Some(terms(150)))
    );
    // So does another reservation, but not one that was not asked for.
    let reserve = |meter: &mut Meter, when: &str, reservation: Option<&Reservation>| {
        meter.observe(&Observation {
            at: at(when),
            stage: Stage::Deployed,
            start: None,
            label: &Label::default(),
            terms: Some(&terms(150)),
            reservation,
        })
    };
    let cpus = Map::from_iter([("CPU".to_owned(), Value::from(4))]);
    assert!(reserve(&mut meter, "2026-01-10T03:00:00", Some(&cpus)).is_some());
    assert!(reserve(&mut meter, "2026-01-10T04:00:00", None).is_none());
    assert_eq!(meter.open.as_ref().unwrap().reservation, cpus);
    // And so does another name, or another group that pays.
    let label = Label { name: "new".to_owned(), owner: Some(Owner::Group("team".to_owned())) };
    let renamed = meter.observe(&Observation {
        at: at("2026-01-10T05:00:00"),
        stage: Stage::Deployed,
        start: None,
        label: &label,
        terms: Some(&terms(150)),
        reservation: None,
    });
    assert_eq!(renamed.unwrap().label, Label::default());
    let open = meter.open.unwrap();
    assert_eq!((open.label, open.reservation), (label, cpus));
}

#[test]
fn february_costs_what_the_policy_says() {
    let months = [between("2026-01-17T00:00:00", Some("2026-03-11T00:00:00"))];
    let all = |proration| quantities(&months, "2026-04-01T00:00:00", proration);
    assert_eq!(all(Proration::Actual), ["0.483870967742", "1", "0.322580645161"]);
    assert_eq!(all(Proration::Nominal), ["0.5", "0.933333333333", "0.333333333333"]);
    assert_eq!(all(Proration::Full), ["1", "1", "1"]);
}

#[test]
fn a_month_that_was_flexed_is_still_one_month() {
    let months = [
        between("2026-02-08T00:00:00", Some("2026-02-15T00:00:00")),
        between("2026-02-15T00:00:00", None),
    ];
    let all = |proration| quantities(&months, "2026-03-01T00:00:00", proration);
    assert_eq!(all(Proration::Full), ["0.5", "0.5"]);
    assert_eq!(all(Proration::Actual), ["0.25", "0.5"]);
    // A gap does not make it more, and nobody pays for it twice.
    let gap = [
        between("2026-02-08T00:00:00", Some("2026-02-10T00:00:00")),
        between("2026-02-15T00:00:00", Some("2026-02-20T00:00:00")),
    ];
    assert_eq!(quantities(&gap, "2026-03-01T00:00:00", Proration::Full), ["0.5", "0.5"]);
}

#[test]
fn what_is_not_certain_is_not_told() {
    let open = [between("2026-01-17T00:00:00", None)];
    assert_eq!(quantities(&open, "2026-01-31T23:59:59", Proration::Actual), [""; 0]);
    assert_eq!(quantities(&open, "2026-02-01T00:00:00", Proration::Actual), ["0.483870967742"]);
    let ended = [between("2026-01-17T00:00:00", Some("2026-01-18T00:00:00"))];
    assert_eq!(quantities(&ended, "2026-01-18T00:00:00", Proration::Actual), ["0.032258064516"]);
    // It may come back in the same month.
    assert_eq!(quantities(&ended, "2026-01-18T00:00:00", Proration::Full), [""; 0]);
    let zone = Zone::named("UTC").unwrap();
    let window = at("2026-01-01T00:00:00")..at("2026-02-01T00:00:00");
    let known = at("2026-01-20T00:00:00");
    assert!(rule(&zone, Proration::Actual).parts(&open, known, &window).1);
    assert!(!rule(&zone, Proration::Actual).parts(&ended, known, &window).1);
}

#[test]
fn a_day_has_as_many_hours_as_its_clock_shows() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let mut day = between("2026-03-28T23:00:00", Some("2026-03-29T11:30:00"));
    day.terms.as_mut().unwrap().recurring.as_mut().unwrap().every = Every::Day;
    let window = at("2026-03-01T00:00:00")..at("2026-04-01T00:00:00");
    let intervals = [day];
    let (parts, _) = rule(&zone, Proration::Actual).parts(&intervals, i64::MAX, &window);
    // Twelve and a half of the 23 hours of the day on which summer time begins.
    assert_eq!(
        parts.iter().map(|part| money::text(part.quantity)).collect::<Vec<_>>(),
        ["0.54347826087"]
    );
}

fn any_intervals() -> impl Strategy<Value = Vec<Interval>> {
    let cuts = prop::collection::vec((1..2_000_i64, any::<bool>()), 1..8);
    (0..9_000_i64, cuts, any::<bool>()).prop_map(|(start, cuts, open)| {
        let mut from = at("2026-01-01T00:00:00") + start * HOUR;
        let mut all = Vec::new();
        for (hours, gap) in cuts {
            let to = from + hours * HOUR;
            all.push(Interval { from, to: Some(to), ..between("2026-01-01T00:00:00", None) });
            from = if gap { to + 5 * HOUR } else { to };
        }
        if open && let Some(last) = all.last_mut() {
            last.to = None;
        }
        all
    })
}

proptest! {
    /// The same window later has the same parts, or more; and windows that meet have what one around them has.
    #[test]
    fn parts_only_become_more(
        intervals in any_intervals(),
        known in 0..20_000_i64,
        later in 0..20_000_i64,
        cut in 0..20_000_i64,
        proration in prop::sample::select(vec![Proration::Actual, Proration::Full, Proration::Nominal]),
    ) {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let rule = rule(&zone, proration);
        let start = at("2026-01-01T00:00:00");
        let window = start..start + 20_000 * HOUR;
        let known = start + known * HOUR;
        // What is known then is what had begun by then, and its end if it had ended.
        let seen: Vec<Interval> = intervals.iter().filter(|of| of.from < known).cloned().map(|mut of| {
            of.to = of.to.filter(|to| *to <= known);
            of
        }).collect();
        let before = rule.parts(&seen, known, &window).0;
        let after = rule.parts(&intervals, known + later * HOUR, &window).0;
        let plain = |parts: &[Part<'_>]| -> Vec<(i64, i64, Decimal)> {
            parts.iter().map(|part| (part.start, part.end, part.quantity)).collect()
        };
        for part in plain(&before) {
            prop_assert!(plain(&after).contains(&part), "{part:?} of {before:?} is not in {after:?}");
        }
        let cut = start + cut * HOUR;
        let mut two = plain(&rule.parts(&intervals, i64::MAX, &(start..cut)).0);
        two.extend(plain(&rule.parts(&intervals, i64::MAX, &(cut..window.end)).0));
        two.sort();
        let mut one = plain(&rule.parts(&intervals, i64::MAX, &window).0);
        one.sort();
        prop_assert_eq!(two, one);
        prop_assert!(after.iter().all(|part| !part.quantity.is_sign_negative() && part.start < part.end));
    }
}
