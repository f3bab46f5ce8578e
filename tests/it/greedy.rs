//! Guests that take all they can get, or lie: each is stopped at its limit or not believed, the log says why, and
//! the endpoint beside it notices nothing.

use cnsp_tests::bodies::{self, Account, account, resource, unique};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::neighbour::beside;
use cnsp_tests::programs::default_of;
use cnsp_tests::setup::SetupFolder;
use cnsp_tests::{check_time, eventually};
use greedy::Habit;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What a habit comes to.
enum End {
    /// The call is stopped, and the log has these words.
    Stopped(&'static str),
    /// The answer is refused, and the log has these words.
    Nonsense(&'static str),
    /// The guest is told no with this code of the kv import, after it was granted so much, and goes on.
    Told(u64, u64),
    /// It is let go on.
    Logged,
    /// A list of so many, which goes on.
    Listed(usize),
    /// A list under this key, of so many that are the same.
    Repeated(&'static str, usize),
    /// It is believed, and its numbers are those that it said.
    Exact(&'static str),
    /// The list is given up.
    GivenUp,
    /// Is for `breaker` or `kv_quota`.
    Elsewhere,
    /// It has what it asks for, and its answer has this member.
    Served(&'static str, u64),
    /// It is believed once, and the next time its answer is refused; the log has these words.
    Taken(&'static str),
    /// It is asked again and again, and the log has these words.
    Pending(&'static str),
}

/// A habit that is missing here does not build.
fn end(habit: Habit) -> End {
    let value_bytes = 24 << 10;
    let keys_max = default_of("kv_write_count_max");
    match habit {
        Habit::Memory => End::Stopped("over its memory"),
        Habit::Loop => End::Stopped("over its CPU time"),
        Habit::Recursion => End::Stopped("trapped"),
        Habit::Random => End::Stopped("asked for 1073741824 random bytes"),
        Habit::AnswerText | Habit::AnswerList => End::Stopped("over its answer size"),
        Habit::KvHuge => End::Stopped("over its argument size"),
        Habit::Panic | Habit::Abort => End::Stopped("trapped"),
        Habit::Clock | Habit::RandomLoop | Habit::LogLoop => End::Stopped("over its CPU time"),
        Habit::AnswerDeep => End::Nonsense("recursion limit"),
        Habit::KvKeys => End::Told(5, keys_max),
        Habit::KvBytes => End::Told(5, (default_of("kv_write_bytes_max") - 1) / value_bytes),
        Habit::KvReads => End::Told(5, default_of("kv_operation_count_max")),
        Habit::KvLong => End::Told(1, 0),
        Habit::KvFill => End::Elsewhere,
        Habit::KvOutside => End::Told(3, 0),
        Habit::LogLines | Habit::LogBytes => End::Logged,
        Habit::PagesEmpty => End::Listed(0),
        Habit::PagesEndless => End::Listed(10_000),
        Habit::PagesSlow => End::GivenUp,
        Habit::PagesFar => End::Nonsense("a `next` has at most 1024 bytes, not 1048576"),
        Habit::Sulk => End::Elsewhere,
        Habit::Calls => End::Served("calls", 100_000),
        Habit::Junk => End::Served("granted", 8),
        Habit::KvClimb => End::Served("seen", 0),
        Habit::Static => End::Served("count", 1),
        Habit::TrapSecond => End::Taken("trapped"),
        Habit::TakenAccount | Habit::TakenUser | Habit::TakenInstance | Habit::TakenPending => {
            End::Taken("belongs to another account")
        }
        Habit::TakenName | Habit::TakenDeletion | Habit::OtherInstance => {
            End::Taken("was not asked for")
        }
        Habit::TrapPending => End::Pending("trapped"),
        Habit::PendingForever => End::Pending(""),
        Habit::PendingGrows => End::Pending("a token has 1 to 1024 bytes, not 4096"),
        Habit::PendingHuge | Habit::PendingEmpty => End::Nonsense("a token has 1 to 1024 bytes"),
        Habit::PendingNameless => End::Nonsense("a pending instance's id has 1 to 200 bytes"),
        Habit::IdControl | Habit::IdEmpty | Habit::IdLong => {
            End::Nonsense("an id has 1 to 200 bytes")
        }
        Habit::KeyTwice | Habit::KeyNamed | Habit::KeyRespcode => End::Nonsense("twice"),
        Habit::KeyPrivate => End::Nonsense("serde_json"),
        Habit::KeyText => End::Nonsense("a value is not JSON"),
        Habit::QuantityNan | Habit::QuantityExponent => End::Nonsense("is not a decimal"),
        Habit::QuantityHuge => End::Nonsense("a decimal has at most 64 characters"),
        Habit::FailureCode => End::Nonsense("a failure's respcode is 400 to 599"),
        Habit::PagesCircle => End::Nonsense("the pages go in a circle, by way of `1`"),
        Habit::AccountsSame => End::Repeated("accounts", 1000),
        Habit::SkusSame => End::Repeated("resources", 1000),
        Habit::OtherAccount | Habit::OtherResource => {
            End::Nonsense("of the answer, `another`, was not asked for")
        }
        Habit::OtherUser => End::Nonsense("the user of the answer, `anotheranother"),
        Habit::OtherName => End::Nonsense("of the answer is the id of another account"),
        Habit::OtherUsage => End::Nonsense("a record is of `another`, which was not asked for"),
        Habit::UsageOutside | Habit::UsageBackwards => {
            End::Nonsense("does not belong to the window of")
        }
        Habit::InstantFar | Habit::InstantText => End::Nonsense("is no time as RFC 3339 has it"),
        Habit::QuantityNegative => End::Exact("\"quantity\":-5}"),
        Habit::LicenseHuge => End::Exact("\"license\":18446744073709551615"),
        Habit::TierHuge => End::Exact("\"sequencenumber\":4294967295,"),
    }
}

/// A host with an endpoint for each of these habits, named after it, beside the sandbox.
fn start(wanted: impl Fn(&End) -> bool) -> (Host, Vec<Habit>) {
    let host = Options::default().set("calls.cpu_ms", 600).start();
    let habits: Vec<Habit> = Habit::ALL.into_iter().filter(|habit| wanted(&end(*habit))).collect();
    let mut setup = SetupFolder::default();
    for habit in &habits {
        let name = habit.name();
        let limits = match habit {
            Habit::Loop => "limits = { cpu_ms = 100 }",
            Habit::PagesSlow => "limits = { call_timeout_ms = 400 }",
            _ => "",
        };
        let more = format!("config = {{ habit = {name:?} }}\n{limits}");
        setup = setup.fixture(&name, "greedy", &more);
    }
    host.apply_right(setup.path());
    (host, habits)
}

/// Lets the endpoint do what it does.
fn indulge(client: &Client, habit: Habit) -> Answer {
    match habit {
        Habit::KvKeys
        | Habit::KvBytes
        | Habit::KvReads
        | Habit::KvLong
        | Habit::KvHuge
        | Habit::KvFill
        | Habit::Junk
        | Habit::TrapSecond
        | Habit::TrapPending
        | Habit::PendingForever
        | Habit::PendingGrows
        | Habit::PendingHuge
        | Habit::PendingEmpty
        | Habit::TakenAccount
        | Habit::TakenName
        | Habit::IdControl
        | Habit::IdEmpty
        | Habit::IdLong
        | Habit::KeyTwice
        | Habit::KeyNamed
        | Habit::KeyRespcode
        | Habit::KeyPrivate
        | Habit::KeyText
        | Habit::FailureCode => {
            let name = unique("account");
            client.post("/account", &account(&name, "ada@example.com"))
        }
        Habit::TakenDeletion => {
            let account = client.new_account();
            client.delete("/account", &bodies::requestor(&account))
        }
        Habit::TakenUser => {
            let account = client.new_account();
            let email = format!("{}@example.com", unique("user"));
            client.post("/account/user", &bodies::user(&account, &email))
        }
        Habit::TakenInstance | Habit::TakenPending | Habit::PendingNameless => {
            order(client, &client.new_account())
        }
        Habit::OtherInstance => {
            let account = client.new_account();
            order(client, &account).succeeded();
            let instance =
                bodies::Resource { id: "instance".to_owned(), subscription: String::new() };
            let change = bodies::action(&account, &unique("change"), &instance, "update");
            client.put("/resource", &change)
        }
        Habit::PagesEmpty
        | Habit::PagesEndless
        | Habit::PagesSlow
        | Habit::PagesFar
        | Habit::PagesCircle
        | Habit::AccountsSame => client.get("/account"),
        Habit::SkusSame | Habit::TierHuge => client.get("/catalog"),
        Habit::OtherAccount => client.get("/account/account-1"),
        Habit::OtherName => {
            let [_, second] = [client.new_account(), client.new_account()];
            client.get(&format!("/account/{}", second.id))
        }
        Habit::OtherUser => client.get("/account/user/account-1"),
        Habit::OtherResource | Habit::InstantFar | Habit::InstantText | Habit::LicenseHuge => {
            client.get("/resource/instance-1")
        }
        Habit::QuantityNan
        | Habit::QuantityHuge
        | Habit::QuantityExponent
        | Habit::QuantityNegative
        | Habit::OtherUsage
        | Habit::UsageOutside
        | Habit::UsageBackwards => client.get("/billing/instance-1"),
        Habit::Memory
        | Habit::Loop
        | Habit::Recursion
        | Habit::Random
        | Habit::AnswerText
        | Habit::AnswerList
        | Habit::AnswerDeep
        | Habit::KvOutside
        | Habit::KvClimb
        | Habit::LogLines
        | Habit::LogBytes
        | Habit::LogLoop
        | Habit::Panic
        | Habit::Abort
        | Habit::Clock
        | Habit::RandomLoop
        | Habit::Calls
        | Habit::Static
        | Habit::Sulk => client.get("/health"),
    }
}

fn order(client: &Client, account: &Account) -> Answer {
    client.post("/resource", &resource(account, &unique("order"), "SKU", 1))
}

/// Lets it, and looks at who is beside it all the time, and at the endpoint itself when it does something else.
fn suffer(host: &Host, habit: Habit) -> Answer {
    let client = host.marketplace();
    let greedy = client.at(&habit.name());
    beside(&client, || {
        let answer = check_time(Duration::from_secs(3), || indulge(&greedy, habit));
        check_time(Duration::from_secs(1), || greedy.get("/discovery").succeeded());
        answer
    })
}

/// The lines of the log that speak of the endpoint.
fn log_of(host: &Host, habit: Habit) -> Vec<String> {
    let endpoint = habit.name();
    let about = |line: &&str| line.split([' ', '"', '=', '`', ',']).any(|word| word == endpoint);
    host.log().lines().filter(about).map(str::to_owned).collect()
}

#[test]
fn who_goes_over_a_limit_is_stopped_and_hurts_nobody_else() {
    let (host, habits) = start(|end| matches!(end, End::Stopped(_)));
    for habit in habits {
        let End::Stopped(words) = end(habit) else { unreachable!() };
        let name = habit.name();
        let answer = suffer(&host, habit).refused(502, "PLUGIN_FAILED");
        assert!(answer.error().contains(&name), "{name}: {}", answer.text);
        let log = log_of(&host, habit);
        assert!(log.iter().any(|line| line.contains(words)), "{name}: {words}: {log:#?}");
        // The caller learns which limit, and nothing of the guest's inside.
        assert!(
            !answer.text.contains("wasm") && !answer.text.contains("greedy"),
            "{}",
            answer.text
        );
        if let Some(limit) = words.strip_prefix("over its ") {
            assert!(answer.error().contains(&format!("{limit} limit")), "{}", answer.text);
            let metrics = host.operator().below("").get("/metrics").text;
            let hit = format!("limit_hits_total{{endpoint=\"{name}\",limit=\"{limit}\"}} 1");
            assert!(metrics.contains(&hit), "{hit} is not in\n{metrics}");
        }
    }
}

#[test]
fn an_answer_that_would_hurt_its_reader_is_refused() {
    let (host, habits) = start(|end| matches!(end, End::Nonsense(_)));
    for habit in habits {
        let End::Nonsense(words) = end(habit) else { unreachable!() };
        suffer(&host, habit).refused(502, "PLUGIN_ANSWER_INVALID");
        let log = host.log();
        assert!(log.contains(words), "{}: {words}", habit.name());
        let longest = log.lines().map(str::len).max();
        assert!(longest < Some(10_000), "the log does not repeat it: {longest:?}");
    }
}

/// What was granted up to the limit can be committed, too.
#[test]
fn the_kv_import_says_no_at_its_limits_and_keeps_what_it_granted() {
    let (host, habits) = start(|end| matches!(end, End::Told(..)));
    for habit in habits {
        let End::Told(code, count) = end(habit) else { unreachable!() };
        let answer = suffer(&host, habit).succeeded();
        let number = |key: &str| answer.body()[key].as_u64();
        assert_eq!(number("refused"), Some(code), "{}: {}", habit.name(), answer.text);
        assert_eq!(number("granted").unwrap_or(0), count, "{}: {}", habit.name(), answer.text);
    }
}

#[test]
fn the_log_takes_so_much_of_a_call_and_nothing_that_moves_a_terminal() {
    let (host, habits) = start(|end| matches!(end, End::Logged));
    for habit in habits {
        suffer(&host, habit).succeeded();
        let lines = log_of(&host, habit);
        let dropped: Vec<_> =
            lines.iter().filter(|line| line.contains("further lines of this call")).collect();
        let written = lines.iter().filter(|line| line.contains("line ") || line.contains("long "));
        let written: Vec<_> = written.filter(|line| !dropped.contains(line)).collect();
        let bytes: usize = written.iter().map(|line| line.len()).sum();
        match habit {
            Habit::LogLines => {
                assert_eq!(written.len() as u64, default_of("log_lines_max"));
                assert_eq!(dropped.len(), 1, "{lines:#?}");
            }
            _ => {
                assert_eq!((written.len(), dropped.len()), (1, 0));
                assert!(bytes < 10_000, "{bytes}");
            }
        }
    }
    let log = host.log();
    let control = |c: &char| c.is_control() && *c != '\n' || matches!(c, '\u{202e}' | '\u{2028}');
    assert_eq!(log.chars().find(control), None, "nothing that controls or turns a line");
    // A line of the log begins with its time: nobody else can begin one.
    let forged = log.lines().find(|line| line.starts_with("forged"));
    assert_eq!(forged, None);
}

#[test]
fn a_list_that_never_ends_is_ended() {
    let (host, habits) = start(|end| matches!(end, End::Listed(_) | End::GivenUp));
    let mut endless: Vec<String> = habits.iter().map(|habit| habit.name()).collect();
    endless.sort();
    for habit in habits {
        let answer = suffer(&host, habit);
        match end(habit) {
            End::Listed(count) => {
                let accounts = answer.clone().succeeded().body()["accounts"].clone();
                assert_eq!(accounts.as_array().map(Vec::len), Some(count), "{}", habit.name());
                // Who wants to know what would come next can ask.
                let link = answer.header("link").unwrap_or_default();
                assert!(link.contains("rel=\"next\""), "{}: {link}", habit.name());
            }
            _ => drop(answer.refused(504, "PLUGIN_TIMEOUT")),
        }
    }
    // Together with others, one that is not here as a whole is named, and the others are there.
    let everyone = host.marketplace().get("/account").succeeded();
    let partial = everyone.body()["partial"].as_array().cloned().unwrap_or_default();
    let named: Vec<&Value> = partial.iter().map(|one| &one["endpoint"]).collect();
    assert_eq!(named, endless.iter().collect::<Vec<_>>(), "{}", everyone.body()["partial"]);
}

#[test]
fn who_asks_for_what_it_may_have_gets_it_and_no_more() {
    let (host, habits) = start(|end| matches!(end, End::Served(..)));
    // So that there are keys of somebody.
    host.marketplace().at("sandbox").new_account();
    for habit in habits {
        let End::Served(key, number) = end(habit) else { unreachable!() };
        // The second time as the first: an instance remembers nothing.
        for _ in 0..2 {
            let answer = suffer(&host, habit).succeeded();
            assert_eq!(answer.body()[key], number, "{}: {}", habit.name(), answer.text);
        }
    }
}

#[test]
fn a_list_may_say_one_thing_often() {
    let (host, habits) = start(|end| matches!(end, End::Repeated(..)));
    for habit in habits {
        let End::Repeated(key, count) = end(habit) else { unreachable!() };
        let answer = suffer(&host, habit).succeeded();
        let items = answer.body()[key].as_array().unwrap().clone();
        assert_eq!(items.len(), count, "{}", habit.name());
        assert!(items.iter().all(|item| *item == items[0]));
        assert_eq!(answer.header("link"), None);
    }
}

/// The host has no opinion of a number that the contract allows, and does not round it.
#[test]
fn a_number_comes_as_it_was_said_however_absurd() {
    let (host, habits) = start(|end| matches!(end, End::Exact(_)));
    for habit in habits {
        let End::Exact(words) = end(habit) else { unreachable!() };
        let answer = suffer(&host, habit).succeeded();
        assert!(answer.text.contains(words), "{}: {words}: {}", habit.name(), answer.text);
        if habit == Habit::TierHuge {
            for words in ["79228162514264337593543950335", "-0.0000000000000000000000000001"] {
                assert!(answer.text.contains(words), "{words}: {}", answer.text);
            }
        }
    }
}

/// What an adapter says of an id that it has given to somebody else before changes nothing of that.
#[test]
fn what_belongs_to_another_account_is_not_given_away() {
    let (host, habits) = start(|end| matches!(end, End::Taken(_)));
    for habit in habits {
        let End::Taken(words) = end(habit) else { unreachable!() };
        let name = habit.name();
        if habit != Habit::OtherInstance {
            suffer(&host, habit).succeeded();
        }
        let answer = suffer(&host, habit);
        assert_eq!(answer.status, 502, "{name}: {}", answer.text);
        let log = log_of(&host, habit);
        assert!(log.iter().any(|line| line.contains(words)), "{name}: {words}: {log:#?}");
    }
}

/// How often the plugin of an endpoint was called for new accounts.
fn creates(host: &Host, endpoint: &str) -> u32 {
    let metrics = host.operator().below("").get("/metrics").text;
    let about = |line: &&str| {
        line.starts_with("plugin_call_seconds_count")
            && line.contains(&format!("endpoint=\"{endpoint}\""))
            && line.contains("operation=\"account.create\"")
    };
    let counts = metrics.lines().filter(about).filter_map(|line| line.rsplit(' ').next());
    counts.map(|count| count.parse::<u32>().unwrap()).sum()
}

#[test]
fn work_that_is_pending_for_ever_is_asked_for_now_and_then() {
    let (host, habits) = start(|end| matches!(end, End::Pending(_)));
    for habit in habits {
        let End::Pending(words) = end(habit) else { unreachable!() };
        let name = habit.name();
        let began = Instant::now();
        let answer = suffer(&host, habit).succeeded();
        assert_eq!(answer.body()["status"], json!("pending"), "{name}: {}", answer.text);
        eventually(&format!("{name}: {words}"), Duration::from_secs(10), || {
            let polled = creates(&host, &name) > 2;
            let told = log_of(&host, habit).iter().any(|line| line.contains(words));
            (told && (polled || !words.is_empty())).then_some(())
        });
        // Once for the caller, and at most every 100 ms, whatever the guest asks for.
        let most = began.elapsed().as_millis() / 100 + 2;
        let count = creates(&host, &name);
        assert!(u128::from(count) <= most, "{name}: {count} calls, and not {most}");
    }
}
