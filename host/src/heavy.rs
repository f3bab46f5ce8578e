//! What computes for long, or takes too much, does so on threads of its own, which the kernel lets wait for all others.
//!
//! A task, a connection mostly, begins on the quick threads. Once a guest has computed there for a tick, it goes on on
//! the heavy threads: [`task`] carries it over, [`leave`] asks for it. Not only guests compute: to read an answer of many
//! thousand items, to check it and to write it as JSON takes the host as long. So each stint of a task is timed, and
//! an endpoint whose calls have too many long ones counts as heavy for a while ([`Weight`]); so does one whose calls are
//! short and so many that others wait for a core ([`watch`]). Each call begins with going to where its endpoint belongs,
//! there or back ([`enter`]), and a connection that calls several endpoints waits for its next request on the quick
//! threads ([`end`]).
//!
//! The heavy threads have a lower priority, and not fewer cores: where nobody else computes they take all there is,
//! and what is quick does not wait for them.

mod stint;
mod watch;
mod weight;

pub(crate) use self::stint::Stint;
pub(crate) use self::weight::Weight;

use anyhow::Context as _;
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// A stint that takes longer is long: some ten times what a call of a plugin takes that does what most do.
pub(crate) const LONG: Duration = Duration::from_micros(500);
/// The kernel gives a thread of this niceness a tenth of what it gives one without, where both want to run.
pub(crate) const NICENESS: i32 = 10;

static THREADS: OnceLock<Threads> = OnceLock::new();

/// Both kinds of threads that this process has.
struct Threads {
    quick: Handle,
    heavy: Runtime,
}

thread_local! {
    /// Whether this is one of the heavy threads.
    static HEAVY: Cell<bool> = const { Cell::new(false) };
    /// The task that this thread is at, when it is one that can move.
    static AT: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// What is known of a task.
#[derive(Default)]
struct State {
    /// Whether it wants to go on on the other threads.
    moves: bool,
    /// Whom it has called since its last [`begin`]. An answer of several endpoints is made in stints that are nobody's.
    called: Called,
    /// Whom it called last of all.
    last: Option<Arc<Weight>>,
    /// Whether it has ever called several. Its next request may be for another one, which is not to wait for this one.
    shared: bool,
}

#[derive(Default)]
enum Called {
    #[default]
    Nobody,
    One(Arc<Weight>),
    Several,
}

/// Starts the heavy threads of the process, if they are not there yet; those that call this are the quick ones. Without
/// them every task stays where it is.
pub(crate) fn start() -> anyhow::Result<()> {
    if THREADS.get().is_some() {
        return Ok(());
    }
    let heavy = Builder::new_multi_thread()
        .thread_name("heavy")
        .on_thread_start(|| {
            HEAVY.set(true);
            // Of this thread alone, as Linux has it.
            if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
                tracing::warn!(%error, "the threads for what computes for long keep their priority");
            }
        })
        .enable_all()
        .build()
        .context("the system gives no threads")?;
    // Somebody else may have been quicker, whose threads are as good.
    let _ = THREADS.set(Threads { quick: Handle::current(), heavy });
    Ok(())
}

/// A task, and what is known of it.
struct Watched<F: Future> {
    future: Pin<Box<F>>,
    state: State,
    output: Option<F::Output>,
}

impl<F: Future> Watched<F> {
    /// Until it has its output, or wants to move.
    async fn run(&mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let stint = Stint::begin();
        let outer = AT.replace(Some(std::mem::take(&mut self.state)));
        let polled = self.future.as_mut().poll(context);
        self.state = AT.replace(outer).unwrap_or_default();
        if let Called::One(weight) = &self.state.called {
            weight.add(stint.began(), stint.computed(), !HEAVY.get());
        }
        let moves = std::mem::take(&mut self.state.moves);
        match polled {
            Poll::Ready(output) => {
                self.output = Some(output);
                Poll::Ready(())
            }
            Poll::Pending if moves => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Runs a task, and carries it over to the heavy threads and back as it asks for that. Dropping it ends it, wherever it
/// is.
pub(crate) async fn task<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut task = Watched { future: Box::pin(future), state: State::default(), output: None };
    loop {
        task.run().await;
        if let Some(output) = task.output {
            return output;
        }
        // Nobody moves to threads that are not there.
        let Some(threads) = THREADS.get() else { continue };
        let other = if HEAVY.get() { &threads.quick } else { threads.heavy.handle() };
        let there = async move {
            task.run().await;
            task
        };
        task = match AbortOnDropHandle::new(other.spawn(there)).await {
            Ok(task) => task,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The process ends.
            Err(_) => return pending().await,
        };
        if let Some(output) = task.output {
            return output;
        }
    }
}

/// What this task does from here on is for nobody yet.
pub(crate) fn begin() {
    AT.with_borrow_mut(|at| at.as_mut().map(|state| state.called = Called::Nobody));
}

/// Begins a call of an endpoint, on the threads where it belongs.
pub(crate) async fn enter(weight: &Arc<Weight>) {
    AT.with_borrow_mut(|at| {
        let Some(state) = at else { return };
        state.shared |= state.last.as_ref().is_some_and(|last| !Arc::ptr_eq(last, weight));
        state.last = Some(weight.clone());
        state.called = match std::mem::take(&mut state.called) {
            Called::Nobody => Called::One(weight.clone()),
            Called::One(known) if Arc::ptr_eq(&known, weight) => Called::One(known),
            Called::One(_) | Called::Several => Called::Several,
        };
    });
    if weight.is_heavy() != HEAVY.get() && can_move() {
        move_over().await;
    }
}

/// Ends what the last [`begin`] began: a connection of several endpoints waits for its next request on the quick
/// threads.
pub(crate) async fn end() {
    let shared = AT.with_borrow(|at| at.as_ref().is_some_and(|state| state.shared));
    if shared && HEAVY.get() && can_move() {
        move_over().await;
    }
}

/// Adds a stint to what an endpoint has taken, where it is no part of one that [`task`] is about to add.
pub(crate) fn add(weight: &Arc<Weight>, began: Instant, stint: Duration) {
    let added = AT.with_borrow(|at| match at {
        Some(State { called: Called::One(called), .. }) => Arc::ptr_eq(called, weight),
        _ => false,
    });
    if !added {
        weight.add(began, stint, !HEAVY.get());
    }
}

/// Whether this is one of the heavy threads.
pub(crate) fn is_here() -> bool {
    HEAVY.get()
}

/// Lets others on, on the heavy threads where that can be.
pub(crate) async fn leave() {
    match !HEAVY.get() && can_move() {
        true => move_over().await,
        false => tokio::task::yield_now().await,
    }
}

fn can_move() -> bool {
    THREADS.get().is_some() && AT.with_borrow(Option::is_some)
}

async fn move_over() {
    let mut asked = false;
    poll_fn(|context| match std::mem::replace(&mut asked, true) {
        true => Poll::Ready(()),
        false => {
            AT.with_borrow_mut(|at| at.as_mut().map(|state| state.moves = true));
            // The next to poll is the thread it goes to; who stands between it and the task has to know.
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests;
