use crate::check;
use cnsp_tests::host::Host;

#[test]
fn discovery_tells_states_and_actions() {
    let host = Host::start();
    let client = host.marketplace();
    let answer = client.at("sandbox").get("/discovery");
    assert_eq!(answer.respcode(), 200);
    check("get_discovery.ok.endpoint", &answer);
    // On the unified path, for every endpoint that the caller may use. (Contract A19.)
    check("get_discovery.ok", &client.get("/discovery"));
}
