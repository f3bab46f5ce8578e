use super::*;

const MAY: i64 = 1_746_057_600; // 2025-05-01T00:00:00Z, 31 days
const JUNE: i64 = MAY + 31 * DAY;
const JULY: i64 = JUNE + 30 * DAY;

fn bounds(start: i64, end: i64, now: i64) -> Bounds {
    Bounds { start, end, now }
}

fn quantities(used: &[Used]) -> Vec<(i64, i64, String)> {
    used.iter().map(|used| (used.start, used.end, decimal(used.millionths))).collect()
}

fn record(start: i64, end: i64, quantity: &str) -> (i64, i64, String) {
    (start, end, quantity.to_owned())
}

#[test]
fn a_whole_month_is_as_many_as_the_licences() {
    let history = [Change(MAY, 7)];
    let used = recurring(&history, bounds(MAY, JULY, JULY));
    assert_eq!(quantities(&used), [record(MAY, JUNE, "7"), record(JUNE, JULY, "7")]);
}

#[test]
fn a_month_that_begins_later_is_paid_for_in_part() {
    let half = JUNE + 15 * DAY;
    let used = recurring(&[Change(half, 3)], bounds(JUNE, JULY, half));
    assert_eq!(quantities(&used), [record(half, JULY, "1.5")]);
    let third = JUNE + 20 * DAY;
    let used = recurring(&[Change(third, 1)], bounds(JUNE, JULY, JULY));
    assert_eq!(quantities(&used), [record(third, JULY, "0.333333")]);
}

#[test]
fn more_licences_are_paid_for_from_then_on_and_fewer_from_the_next_month_on() {
    let (sixth, tenth) = (JUNE + 6 * DAY, JUNE + 10 * DAY);
    let history = [Change(MAY, 5), Change(sixth, 10), Change(tenth, 2)];
    let used = recurring(&history, bounds(JUNE, JULY + DAY, JULY + DAY));
    assert_eq!(
        quantities(&used),
        [record(JUNE, JULY, "5"), record(sixth, JULY, "4"), record(JULY, JULY + 31 * DAY, "2"),]
    );
}

#[test]
fn coming_back_within_a_month_that_is_paid_for_costs_nothing() {
    let history = [
        Change(MAY, 5),
        Change(MAY + DAY, 0),
        Change(MAY + 2 * DAY, 5),
        Change(MAY + 3 * DAY, 0),
        Change(JUNE + 15 * DAY, 5),
        Change(JUNE + 16 * DAY, 0),
    ];
    let used = recurring(&history, bounds(MAY, JULY + DAY, JULY + DAY));
    assert_eq!(quantities(&used), [record(MAY, JUNE, "5"), record(JUNE + 15 * DAY, JULY, "2.5")]);
}

#[test]
fn a_change_in_the_first_second_of_a_month_takes_no_record_back() {
    let at_first = bounds(JUNE, JULY, JUNE);
    let before = recurring(&[Change(MAY, 5)], at_first);
    for changed in [0, 3, 8] {
        let after = recurring(&[Change(MAY, 5), Change(JUNE, changed)], at_first);
        assert_eq!(after[..1], before);
        assert_eq!(after.len(), if changed > 5 { 2 } else { 1 });
    }
    let new = recurring(&[Change(JUNE, 2)], at_first);
    assert_eq!(quantities(&new), [record(JUNE, JULY, "2")]);
}

#[test]
fn every_record_is_in_one_window_and_stays_as_it_was() {
    let history = [Change(MAY + 100, 5), Change(MAY + 7 * DAY + 3, 9), Change(JUNE + 5, 11)];
    let whole = recurring(&history, bounds(MAY, JULY, JULY));
    assert_eq!(whole.len(), 4);
    for cut in [MAY, MAY + 100, MAY + 101, MAY + 8 * DAY, JUNE, JUNE + 5, JUNE + 6] {
        let mut parts = recurring(&history, bounds(MAY, cut, JULY));
        parts.extend(recurring(&history, bounds(cut, JULY, JULY)));
        assert_eq!(parts, whole, "cut at {cut}");
        let early = recurring(&history, bounds(MAY, JULY, cut));
        assert_eq!(early, whole[..early.len()], "asked at {cut}");
    }
}

#[test]
fn the_set_up_is_charged_once() {
    let history = [Change(MAY + 5, 2), Change(JUNE, 4)];
    let used = setup(&history, bounds(MAY, JULY, JULY));
    assert_eq!(quantities(&used), [record(MAY + 5, MAY + 6, "1")]);
    assert!(setup(&history, bounds(JUNE, JULY, JULY)).is_empty());
    assert!(setup(&[], bounds(MAY, JULY, JULY)).is_empty());
}

#[test]
fn storage_is_counted_by_full_days() {
    let history = [Change(MAY + 5, 2), Change(MAY + DAY + 1, 4), Change(MAY + 3 * DAY, 0)];
    let used = metered(&history, 2_500, bounds(MAY, JUNE, MAY + 2 * DAY + 10));
    let day = |number: i64, quantity: &str| {
        record(MAY + number * DAY, MAY + (number + 1) * DAY, quantity)
    };
    assert_eq!(quantities(&used), [day(0, "5"), day(1, "10")]);
    let later = metered(&history, 2_500, bounds(MAY, JUNE, JULY));
    assert_eq!(quantities(&later), [day(0, "5"), day(1, "10"), day(2, "10")]);
    let third = metered(&history, 2_500, bounds(MAY + DAY + 1, JUNE, JULY));
    assert_eq!(quantities(&third), [day(2, "10")]);
}

#[test]
fn quantities_are_written_without_loose_zeroes() {
    for (millionths, text) in [(0, "0"), (1, "0.000001"), (2_500_000, "2.5"), (10_000_000, "10")] {
        assert_eq!(decimal(millionths), text);
    }
    assert_eq!(part(1, 2, 3), 666_667);
    assert_eq!(part(u64::MAX, 1, 1), u128::from(u64::MAX) * MILLIONTHS);
}
