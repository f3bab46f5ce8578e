//! All cells of an adapter: those without a kill beside each other, then those with one, many to a kill.

use super::cell::{Cell, Course, Event, Kill, Verdict};
use super::lane::{LONG, Lane, declare, host, settle};
use super::provider::Provider;
use cnsp_tests::eventually;
use cnsp_tests::fault_proxy::Fault;
use cnsp_tests::host::Host;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What an answer may take where one that does not come is the fault, and where it is not.
const SHORT_MS: u32 = 1_500;
const PATIENT_MS: u32 = 20_000;
/// How many of the cells that came out otherwise are shown.
const SHOWN: usize = 40;

/// Runs them all, and says how many there were.
pub(crate) fn run<P: Provider>() {
    let began = Instant::now();
    let mut host = host();
    let lanes: Vec<Lane<P>> = (1..=P::LANES).map(Lane::new).collect();
    declare(&host, &lanes, PATIENT_MS);
    let courses = courses(&host, &lanes);
    declare(&host, &lanes, SHORT_MS);
    let mut faults: Vec<Cell<'_>> = courses.iter().flat_map(Course::faults::<P>).collect();
    // Some wait a minute for their vendor to put the credentials right: meanwhile the others run.
    faults.sort_by_key(|cell| cell.event != Event::Once(Fault::Status(401)));
    let mut verdicts = on_lanes(&lanes, &faults, |lane, cell| cell.run(lane, &lane.client(&host)));
    let took = began.elapsed();
    declare(&host, &lanes, PATIENT_MS);
    let kills: Vec<Cell<'_>> = courses.iter().flat_map(Course::kills).collect();
    // Those that are to be let go are killed together, at another moment than those that hang.
    let (told, unknown): (Vec<_>, Vec<_>) =
        kills.iter().partition(|cell| cell.event == Event::Killed(Kill::Told));
    for cells in unknown.chunks(P::LANES).chain(told.chunks(P::LANES)) {
        verdicts.extend(killed(&mut host, &lanes, cells));
    }
    let count = faults.len() + kills.len();
    let thirds = verdicts.iter().filter(|verdict| matches!(verdict, Ok(Some(_)))).count();
    println!(
        "matrix: {count} cells of {}: {} operations, {} requests; {} faults, {} kills; {thirds} third ends; {} + {} s",
        P::NAME,
        courses.len(),
        courses.iter().map(|course| course.exchanges.len()).sum::<usize>(),
        faults.len(),
        kills.len(),
        took.as_secs(),
        (began.elapsed() - took).as_secs(),
    );
    let wrong: Vec<&str> =
        verdicts.iter().filter_map(|verdict| verdict.as_ref().err().map(String::as_str)).collect();
    let shown = wrong.iter().take(SHOWN).copied().collect::<Vec<_>>().join("\n\n");
    assert!(wrong.is_empty(), "{} of {count} came out otherwise:\n{shown}", wrong.len());
    assert!(count >= P::CELLS_MIN, "{count} cells are not the {} there were", P::CELLS_MIN);
    for third in P::THIRDS {
        let is_met = verdicts.contains(&Ok(Some(third.why)));
        assert!(is_met, "nothing ends so any more: {}", third.why);
    }
}

/// Each job on the next lane that is free.
fn on_lanes<P: Provider, J: Sync, R: Send>(
    lanes: &[Lane<P>],
    jobs: &[J],
    job: impl Fn(&Lane<P>, &J) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for lane in lanes {
            scope.spawn(|| {
                while let Some(one) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = job(lane, one);
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    results.into_inner().unwrap()
}

fn courses<P: Provider>(host: &Host, lanes: &[Lane<P>]) -> Vec<Course> {
    on_lanes(lanes, P::OPERATIONS, |lane, operation| {
        Course::of(*operation, lane, &lane.client(host))
    })
}

/// All jobs at once.
fn at_once<J: Sync, R: Send>(jobs: &[J], job: impl Fn(&J) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let running: Vec<_> = jobs.iter().map(|one| scope.spawn(|| job(one))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Kills the host once, in the middle of all of these.
fn killed<P: Provider>(host: &mut Host, lanes: &[Lane<P>], cells: &[&Cell<'_>]) -> Vec<Verdict> {
    let pairs: Vec<_> = lanes.iter().zip(cells).collect();
    let set = at_once(&pairs, |(lane, cell)| {
        let scene = cell.course.operation.set(lane, &lane.client(host));
        let request = cell.course.operation.request(lane, &scene);
        (scene, request)
    });
    let all: Vec<_> = pairs.into_iter().zip(&set).collect();
    for ((lane, cell), _) in &all {
        lane.provider.prepare();
        cell.begin(lane);
    }
    std::thread::scope(|scope| {
        for ((lane, _), (_, request)) in &all {
            let client = lane.client(host);
            scope.spawn(move || request.ask_in_vain(&client));
        }
        for ((lane, cell), _) in &all {
            eventually(&cell.to_string(), LONG, || (lane.proxy.silent() > 0).then_some(()));
        }
        for ((lane, _), _) in &all {
            lane.proxy.let_go();
        }
        host.kill9();
    });
    host.resume();
    at_once(&all, |((lane, cell), (scene, request))| {
        let client = lane.client(host);
        let ended = settle(|| request.ask(&client));
        cell.judge(lane, &client, scene, request, ended)
    })
}
