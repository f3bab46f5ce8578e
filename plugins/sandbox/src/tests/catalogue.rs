use super::*;
use crate::offerings::OFFERINGS;
use std::collections::BTreeSet;

fn decimal(text: &str) -> f64 {
    text.parse().unwrap()
}

#[test]
fn every_offering_is_whole() {
    let page = Sandbox::list_offerings(Page::default()).unwrap();
    assert_eq!(page.resources.len(), OFFERINGS.len());
    assert_eq!(page.next, None);
    let skus: BTreeSet<_> =
        page.resources.iter().map(|offering| &offering.parameters.sku).collect();
    assert_eq!(skus.len(), OFFERINGS.len());
    for offering in &page.resources {
        let charges: BTreeSet<_> =
            offering.chargeattributes.iter().map(|charge| &charge.chargeid).collect();
        assert_eq!(charges.len(), offering.chargeattributes.len());
        for charge in &offering.chargeattributes {
            let term = &charge.subscriptionserviceterm;
            for price in [&term.costprice, &term.sellprice, &term.erpprice] {
                let tiers = &price.as_ref().unwrap().tierpricing;
                assert!((1..=4).contains(&tiers.len()));
                assert_eq!(tiers[0].startingvalue, "0");
                assert_eq!(tiers.last().unwrap().endingvalue, None);
                for (tier, next) in tiers.iter().zip(&tiers[1..]) {
                    assert_eq!(tier.endingvalue.as_ref(), Some(&next.startingvalue));
                    assert!(decimal(&tier.startingvalue) < decimal(&next.startingvalue));
                    assert_eq!(tier.sequencenumber + 1, next.sequencenumber);
                }
            }
        }
    }
    assert_eq!(
        page.resources
            .iter()
            .map(|offering| {
                offering
                    .chargeattributes
                    .iter()
                    .map(|charge| {
                        charge.subscriptionserviceterm.sellprice.as_ref().unwrap().tierpricing.len()
                    })
                    .max()
                    .unwrap()
            })
            .collect::<BTreeSet<_>>(),
        BTreeSet::from([1, 2, 3, 4])
    );
}

#[test]
fn the_catalogue_is_read_page_by_page() {
    let mut skus = Vec::new();
    let mut page = Page { limit: Some(4), after: None };
    loop {
        let found = Sandbox::list_offerings(page.clone()).unwrap();
        skus.extend(found.resources.into_iter().map(|offering| offering.parameters.sku));
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert!(skus.iter().eq(OFFERINGS.iter().map(|offering| offering.sku)));
    let wrong = Page { limit: None, after: text("NOTHING") };
    assert_eq!(Sandbox::list_offerings(wrong).unwrap_err().respcode, 400);
}

#[test]
fn discovery_names_every_function() {
    let description = Sandbox::describe().unwrap();
    assert_eq!(description.capabilities.len(), 22);
    assert_eq!(description.resources[0].states, ["pending", "active", "suspended", "cancel"]);
    assert!(description.resources[0].actions.contains(&"update.suspend".to_owned()));
}

#[test]
fn health_follows_the_instance() {
    let account = account("a-1");
    assert_eq!(Sandbox::check_health(None).unwrap().status, "ok");
    let id = instance(&account, "SANDBOX-CRM-STARTER", 1);
    let health = |id: &str| Sandbox::check_health(text(id)).unwrap().status;
    assert_eq!(health(&id), "ok");
    act(&id, "update.suspend").unwrap();
    assert_eq!(health(&id), "degraded");
    cancel(&id).unwrap();
    assert_eq!(health(&id), "down");
    assert_eq!(Sandbox::check_health(text("ins-gone")).unwrap_err().respcode, 404);
    testing::set_config("sandbox.health.check", "down");
    assert_eq!(Sandbox::check_health(None).unwrap().status, "down");
}
