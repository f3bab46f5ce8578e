use super::*;
use std::time::Instant;
use tokio::sync::oneshot;

/// One that counts as heavy from now on.
fn heavy() -> Arc<Weight> {
    let weight = Arc::new(Weight::default());
    weight.add(Instant::now(), Duration::from_millis(50), false);
    assert!(weight.is_heavy());
    weight
}

fn light() -> Arc<Weight> {
    Arc::default()
}

/// Keeps this thread computing.
fn compute(time: Duration) {
    let stint = Stint::begin();
    while stint.computed() < time {
        std::hint::spin_loop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_goes_where_what_it_calls_belongs_and_comes_back() {
    start().unwrap();
    let seen = task(async {
        let mut seen = vec![HEAVY.get()];
        for weight in [light(), heavy(), heavy(), light(), heavy()] {
            begin();
            enter(&weight).await;
            seen.push(HEAVY.get());
        }
        seen
    });
    assert_eq!(seen.await, [false, false, true, true, false, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_was_begun_over_there_goes_to_the_quick_threads_too() {
    start().unwrap();
    let seen = task(async {
        enter(&heavy()).await;
        let follower = tokio::spawn(task(async {
            let before = HEAVY.get();
            enter(&light()).await;
            (before, HEAVY.get())
        }));
        follower.await.unwrap()
    });
    assert_eq!(seen.await, (true, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_calls_one_endpoint_waits_where_it_is_and_who_calls_several_on_the_quick_threads() {
    start().unwrap();
    let one = task(async {
        let weight = heavy();
        begin();
        enter(&weight).await;
        end().await;
        let alone = HEAVY.get();
        begin();
        enter(&heavy()).await;
        end().await;
        (alone, HEAVY.get())
    });
    assert_eq!(one.await, (true, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heavy_threads_come_after_others() {
    start().unwrap();
    let here = rustix::process::getpriority_process(None).unwrap();
    let there = task(async {
        enter(&heavy()).await;
        rustix::process::getpriority_process(None).unwrap()
    });
    assert_eq!((here, there.await), (0, NICENESS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_computes_for_long_leaves_in_the_middle_of_others() {
    start().unwrap();
    // So many that each is polled for itself alone.
    let many = task(async {
        let part = async |number: usize| {
            for _ in 0..3 {
                leave().await;
            }
            (number, HEAVY.get())
        };
        futures_util::future::join_all((0..100).map(part)).await
    });
    let expected: Vec<_> = (0..100).map(|number| (number, true)).collect();
    assert_eq!(many.await, expected);
}

#[tokio::test]
async fn what_is_no_task_stays_and_goes_on() {
    start().unwrap();
    enter(&heavy()).await;
    leave().await;
    assert!(!HEAVY.get());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_stint_is_taken_down_for_the_one_that_was_called() {
    start().unwrap();
    let weights = [light(), light(), light()];
    let [one, first, second] = weights.clone();
    task(async move {
        enter(&one).await;
        compute(Duration::from_millis(40));
    })
    .await;
    // Whose answer it was that took so long cannot be told.
    task(async move {
        enter(&first).await;
        enter(&second).await;
        compute(Duration::from_millis(40));
    })
    .await;
    assert_eq!(weights.map(|weight| weight.is_heavy()), [true, false, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_dropped_ends_wherever_it_is() {
    start().unwrap();
    let (arrived, arrives) = oneshot::channel();
    let (dropped, drops) = oneshot::channel::<()>();
    let running = tokio::spawn(task(async move {
        let _dropped = dropped;
        enter(&heavy()).await;
        arrived.send(HEAVY.get()).unwrap();
        pending::<()>().await;
    }));
    assert!(arrives.await.unwrap());
    running.abort();
    assert!(drops.await.is_err(), "its values are dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_the_panic_of_who_waits_for_the_task() {
    start().unwrap();
    let panicked = tokio::spawn(task(async {
        enter(&heavy()).await;
        panic!("over there");
    }));
    let panic = panicked.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"over there"));
}

#[test]
fn only_what_a_thread_computes_is_counted() {
    let stint = Stint::begin();
    std::thread::park_timeout(Duration::from_millis(50));
    assert!(stint.computed() < Duration::from_millis(25), "{:?}", stint.computed());
    let began = Instant::now();
    let stint = Stint::begin();
    compute(Duration::from_millis(5));
    assert!(stint.computed() >= Duration::from_millis(5));
    assert!(stint.computed() <= began.elapsed());
}

#[test]
fn short_stints_weigh_nothing_and_long_ones_for_a_while() {
    let weight = light();
    (0..1000).for_each(|_| weight.add(Instant::now(), LONG - Duration::from_nanos(1), false));
    assert!(!weight.is_heavy());
    // One moment is not enough.
    weight.add(Instant::now(), Duration::from_millis(20), true);
    assert!(!weight.is_heavy());
    weight.add(Instant::now(), Duration::from_secs(3600), false);
    assert!(weight.is_heavy());
    // It has no end of its own: what is held is bounded.
    assert!(weight.held_for() <= Duration::from_millis(12_500));
}
