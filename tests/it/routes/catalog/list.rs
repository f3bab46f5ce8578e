use crate::check;
use cnsp_tests::host::Host;
use cnsp_tests::setup::SetupFolder;

#[test]
fn list_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let answer = client.at("sandbox").get("/catalog");
    assert_eq!(answer.message(), "Catalog retrieved successfully");
    check("get_catalog.ok.endpoint", &answer);
    let everybody = client.get("/catalog").succeeded();
    let offerings = everybody.body()["resources"].as_array().unwrap().clone();
    assert!(offerings.iter().all(|offering| offering["endpoint"] == "sandbox"));
    check("get_catalog.ok", &client.with("cnsp-endpoint", "sandbox").get("/catalog?limit=1"));

    let mut skus = Vec::new();
    for offering in &offerings {
        skus.push(offering["parameters"]["sku"].as_str().unwrap());
        for charge in offering["chargeattributes"].as_array().unwrap() {
            for price in ["costprice", "sellprice", "erpprice"] {
                let price = &charge["subscriptionserviceterm"][price];
                let tiers = price["tierpricing"].as_array().unwrap();
                assert!((1..=4).contains(&tiers.len()));
                for tier in tiers {
                    // Texts, numbers and ones as CNSP samples them.
                    assert!(tier["chargeamount"].is_string(), "{tier}");
                    assert!(tier["startingvalue"].is_number(), "{tier}");
                    assert!(tier["isdefault"].is_u64() && tier["isenabled"] == 1, "{tier}");
                }
                assert!(tiers.last().unwrap()["endingvalue"].is_null());
            }
        }
    }
    skus.sort_unstable();
    skus.dedup();
    assert_eq!(skus.len(), offerings.len(), "a sku names one offering");
}

#[test]
fn list_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let told = [("sandbox.catalog.list", "unauthorized")];
    let setup = SetupFolder::default().endpoint("strict", "acme", &told, &[]);
    host.apply_right(setup.path());
    let refused = host.marketplace().at("strict").get("/catalog");
    let message = "The user is not authorized. Unable to retrieve catalogue";
    assert_eq!((refused.status, refused.message()), (403, message));
    assert_eq!(refused.error(), "The user is not authorized.");
    check("get_catalog.error.unauthorized", &refused);
}
