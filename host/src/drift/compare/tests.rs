use super::*;
use proptest::prelude::*;

fn ours(status: &str, license: Option<u64>, users: &[&str]) -> Ours {
    let record = ResourceRecord {
        sku: "MAIL-S".to_owned(),
        account: Some("pa-1".to_owned()),
        subscriptionid: None,
        license,
        status: status.to_owned(),
    };
    Ours {
        version: 7,
        record,
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        accountid: Some("C-1".to_owned()),
        provideraccountid: Some("pa-1".to_owned()),
    }
}

fn theirs(status: Option<&str>, license: Option<u64>, users: Option<&[&str]>) -> Theirs {
    Theirs {
        account: Some("pa-1".to_owned()),
        sku: Some("MAIL-S".to_owned()),
        subscriptionid: None,
        license,
        status: status.map(str::to_owned),
        users: users.map(|users| users.iter().map(|user| (*user).to_owned()).collect()),
    }
}

fn kinds(ours: Option<&Ours>, theirs: Option<&Theirs>) -> Vec<Kind> {
    compare("i-1", ours, theirs).into_iter().map(|one| one.kind).collect()
}

#[test]
fn each_kind_is_found_and_only_what_both_know() {
    let have = ours("active", Some(5), &["u-1", "u-2"]);
    let cases = [
        (theirs(Some("active"), Some(5), None), vec![]),
        (theirs(None, None, None), vec![]),
        (theirs(Some("suspended"), Some(5), None), vec![Kind::State]),
        (theirs(Some("active"), Some(8), None), vec![Kind::Quantity]),
        (theirs(Some("active"), Some(5), Some(&["u-1", "u-2"])), vec![]),
        (theirs(Some("active"), Some(5), Some(&["u-1", "u-3"])), vec![Kind::Seats]),
        (theirs(Some("active"), None, Some(&[])), vec![Kind::Seats]),
        // More seats are given here than it has licences.
        (theirs(Some("active"), Some(1), None), vec![Kind::Quantity, Kind::Seats]),
        (
            theirs(Some("suspended"), Some(6), Some(&[])),
            vec![Kind::State, Kind::Quantity, Kind::Seats],
        ),
        // Of what is gone, the rest says nothing.
        (theirs(Some("cancel"), Some(0), Some(&[])), vec![Kind::State]),
    ];
    for (has, expected) in cases {
        assert_eq!(kinds(Some(&have), Some(&has)), expected, "{has:?}");
    }
    assert_eq!(kinds(Some(&have), None), [Kind::Missing]);
    let unknown = ours("active", None, &[]);
    assert_eq!(kinds(Some(&unknown), Some(&theirs(Some("active"), Some(9), None))), []);
    let gone = ours("cancel", Some(5), &["u-1"]);
    assert_eq!(kinds(Some(&gone), None), []);
    assert_eq!(kinds(Some(&gone), Some(&theirs(Some("active"), Some(8), None))), [Kind::State]);
    assert_eq!(kinds(None, Some(&theirs(Some("active"), None, None))), [Kind::Extra]);
    assert_eq!(kinds(None, Some(&theirs(Some("cancel"), None, None))), []);
}

#[test]
fn a_difference_says_what_both_sides_have() {
    let have = ours("active", Some(5), &["u-1", "u-2"]);
    let has = theirs(Some("active"), Some(5), Some(&["u-2", "u-3"]));
    let found = compare("i-1", Some(&have), Some(&has));
    let one = &found[0];
    assert_eq!((one.name.as_str(), one.record_version), ("seats/i-1", Some(7)));
    assert_eq!(one.accountid.as_deref(), Some("C-1"));
    let (here, there) = (one.ours.as_ref().unwrap(), one.provider.as_ref().unwrap());
    assert_eq!((here.seats, there.seats), (Some(2), Some(2)));
    assert_eq!(
        (&here.users_only_here, &there.users_only_here),
        (&vec!["u-1".to_owned()], &vec!["u-3".to_owned()])
    );
}

/// What a provider may say, and what may be kept: few values, so that they meet.
fn any_ours() -> impl Strategy<Value = Ours> {
    let status = prop::sample::select(vec!["active", "suspended", "cancel", "pending"]);
    (status, prop::option::of(0_u64..3), prop::collection::btree_set("[ab]", 0..3))
        .prop_map(|(status, license, users)| Ours { users, ..ours(status, license, &[]) })
}

fn any_theirs() -> impl Strategy<Value = Theirs> {
    let status = prop::sample::select(vec!["active", "suspended", "cancel", "pending", "what"]);
    let users = prop::option::of(prop::collection::btree_set("[ab]", 0..3));
    (prop::option::of(status), prop::option::of(0_u64..3), users)
        .prop_map(|(status, license, users)| Theirs { users, ..theirs(status, license, None) })
}

/// What the host has once all that differs is adopted.
fn adopted(ours: &Ours, theirs: &Theirs, found: &[Difference]) -> Ours {
    let mut after = ours.clone();
    for one in found {
        match one.kind {
            Kind::State => after.record.status = theirs.status.clone().unwrap(),
            Kind::Quantity => after.record.license = theirs.license,
            Kind::Seats => {
                if let Some(users) = &theirs.users {
                    after.users = users.clone();
                }
            }
            Kind::Missing | Kind::Extra => panic!("both have it"),
        }
    }
    after
}

proptest! {
    /// What is adopted differs no more, at once or, where something was gone, after what it hid was adopted too.
    #[test]
    fn what_is_adopted_does_not_differ(have in any_ours(), has in any_theirs()) {
        let mut now = have;
        for _ in 0..2 {
            let found = compare("i", Some(&now), Some(&has));
            now = adopted(&now, &has, &found);
        }
        let left = compare("i", Some(&now), Some(&has));
        // More seats than licences, where the provider does not tell who has them, cannot be adopted.
        let cannot = |one: &Difference| one.kind == Kind::Seats && has.users.is_none();
        prop_assert!(left.iter().all(cannot), "{left:?}");
    }

    /// The fingerprint tells whether the same differs, and nothing else does.
    #[test]
    fn fingerprints_follow_what_differs(
        have in any_ours(), has in any_theirs(), other in any_ours(), others in any_theirs(),
    ) {
        let (one, two) = (compare("i", Some(&have), Some(&has)), compare("i", Some(&other), Some(&others)));
        for a in &one {
            for b in two.iter().filter(|b| b.kind == a.kind) {
                let same = match a.kind {
                    Kind::State => {
                        (&have.record.status, &has.status) == (&other.record.status, &others.status)
                    }
                    Kind::Quantity => {
                        (have.record.license, has.license) == (other.record.license, others.license)
                    }
                    Kind::Seats if has.users.is_some() && others.users.is_some() => {
                        (&have.users, &has.users) == (&other.users, &others.users)
                    }
                    _ => continue,
                };
                prop_assert_eq!(same, a.fingerprint == b.fingerprint);
            }
        }
        let is_named = |a: &Difference| a.name == format!("{}/i", a.kind);
        prop_assert!(one.iter().all(is_named));
    }
}
