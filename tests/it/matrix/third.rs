//! Ends that are neither all nor nothing: what nobody can know, or bring back. Each is told, and says why it is so.

use super::cell::{Cell, Event};
use super::lane::{Lane, Picture, settle};
use super::operation::{Operation, Scene};
use super::provider::Provider;
use cnsp_tests::client::{Answer, Client};

/// Cells that may fail and leave something.
pub(crate) struct Third {
    /// Why there is no other way.
    pub(crate) why: &'static str,
    pub(crate) operations: &'static [Operation],
    /// What the request's method and path begin with, and end with.
    pub(crate) step: [&'static str; 2],
    pub(crate) events: &'static [Event],
    /// What its caller is told.
    pub(crate) says: &'static str,
    pub(crate) left: Left,
}

/// What may be left.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    /// All or nothing, whatever is said.
    Either,
    /// A part of a change that another request goes on with, to its end.
    Part,
}

/// How a cell has ended.
pub(crate) struct End<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) answer: &'a Answer,
    pub(crate) picture: &'a Picture,
}

impl Third {
    pub(crate) fn of<P: Provider>(cell: &Cell<'_>) -> Option<&'static Third> {
        let step = cell.exchange().step();
        P::THIRDS.iter().find(|third| {
            third.operations.contains(&cell.course.operation)
                && step.starts_with(third.step[0])
                && step.ends_with(third.step[1])
                && third.events.contains(&cell.event)
        })
    }

    /// What is otherwise than this.
    pub(crate) fn judge<P: Provider>(
        &self,
        cell: &Cell<'_>,
        lane: &Lane<P>,
        client: &Client,
        end: &End<'_>,
    ) -> Option<String> {
        let (before, after) = (&cell.course.before, &cell.course.after);
        let End { scene, answer, picture } = end;
        if !answer.error().contains(self.says) {
            return Some(format!("it does not say `{}`", self.says));
        }
        let right = match self.left {
            Left::Either => [before, after].iter().any(|end| end.has == picture.has),
            Left::Part => {
                let request = cell.course.operation.request(lane, scene);
                let went_on = settle(|| request.ask(client));
                let went_on = went_on.is_ok_and(|answer| answer.result()["success"] == true);
                went_on && lane.picture(client, scene, None) == *after
            }
        };
        (!right).then(|| format!("{:?} is not so: {picture:?}", self.left))
    }
}
