//! Checks while customers change things through the host: whatever they see of a change, it is no difference.

use super::{LONG, Shop, names};
use cnsp_tests::bodies::{action, deletion, unique};
use cnsp_tests::eventually;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Who changes things at the same time, and how often.
const CUSTOMERS: usize = 3;
const ROUNDS: usize = 12;

#[test]
fn what_changes_through_the_host_is_never_a_difference() {
    let shop = Shop::new();
    let left = AtomicUsize::new(CUSTOMERS);
    let owners: Vec<_> = (0..CUSTOMERS).map(|_| shop.account()).collect();
    let checks = std::thread::scope(|scope| {
        for owner in &owners {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let mail = shop.order(owner, 3);
                    let grace = shop.user(owner);
                    shop.assign(owner, &grace, &mail);
                    let mut more = action(owner, &unique("more"), &mail, "update");
                    more["parameters"] = json!({ "license": 9 });
                    shop.client.put("/resource", &more).succeeded();
                    let suspend = action(owner, &unique("stop"), &mail, "update.suspend");
                    shop.client.put("/resource", &suspend).succeeded();
                    let end = deletion(owner, &unique("end"), &mail.id);
                    shop.client.delete("/resource", &end).succeeded();
                    shop.order(owner, 2);
                }
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let mut checks = 0;
        while left.load(Ordering::Relaxed) > 0 {
            let report = shop.report();
            assert_eq!(names(&report), Vec::<&str>::new(), "{report}");
            checks += 1;
        }
        checks
    });
    assert!(checks > 2, "{checks}");
    // Once all is calm, everything is compared.
    eventually("nothing is under way", LONG, || {
        let report = shop.report();
        assert_eq!(names(&report), Vec::<&str>::new(), "{report}");
        (report["skipped"] == json!([])).then_some(())
    });
    let report = shop.report();
    assert_eq!(report["compared"], 2 * ROUNDS * CUSTOMERS);
    assert_eq!(report["listed"]["resources"], ROUNDS * CUSTOMERS);
}
