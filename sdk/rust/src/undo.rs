//! What an operation has made, to be taken back when it cannot go on.

use crate::log;
use crate::types::Failure;

/// Takes back one thing.
type TakeBack<'a> = Box<dyn FnOnce() -> Result<(), Failure> + 'a>;

/// What an operation has made so far, each with what takes it back.
///
/// ```
/// use cnsp_sdk::{Failure, http::Request, undo::Undo};
///
/// fn sign_up(tenants: &str, operation: &str) -> Result<(), Failure> {
///     let mut undo = Undo::new();
///     provision(tenants, operation, &mut undo).map_err(|failure| undo.run(failure))
/// }
///
/// fn provision<'a>(tenants: &'a str, operation: &'a str, undo: &mut Undo<'a>) -> Result<(), Failure> {
///     Request::put(format!("{tenants}/{operation}")).send()?;
///     undo.made(format!("the tenant {operation}"), move || {
///         Request::delete(format!("{tenants}/{operation}")).send()?;
///         Ok(())
///     });
///     let role = Request::put(format!("{tenants}/{operation}/roles/admin")).send()?;
///     if !role.ok() {
///         return Err(Failure::refused(500, "The provider has no role `admin`."));
///     }
///     Ok(())
/// }
/// # use cnsp_sdk::{http::Response, testing};
/// # testing::on_http(|request| {
/// #     let status = if request.url.ends_with("admin") { 404 } else { 200 };
/// #     Ok(Response { status, headers: vec![], body: vec![] })
/// # });
/// # let failure = sign_up("https://tenants.example.com", "op-1").unwrap_err();
/// # assert!(failure.errormessage.starts_with("The provider has no role `admin`. What "), "{failure:?}");
/// ```
#[derive(Default)]
pub struct Undo<'a> {
    made: Vec<(String, TakeBack<'a>)>,
}

impl<'a> Undo<'a> {
    /// Nothing was made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The operation has made `what`, in words, and `take_back` takes it back.
    pub fn made(
        &mut self,
        what: impl Into<String>,
        take_back: impl FnOnce() -> Result<(), Failure> + 'a,
    ) {
        self.made.push((what.into(), Box::new(take_back)));
    }

    /// Takes back all of it, the last one first, and gives the failure with what has become of that: what could not
    /// be taken back is in its `orphans`.
    ///
    /// A failure that is retryable comes back as it is: the host runs the function again, with the answers that it
    /// had, and it goes on from there. So does one whose undoing fails for now: then the undoing goes on.
    pub fn run(self, mut failure: Failure) -> Failure {
        if failure.retryable || self.made.is_empty() {
            return failure;
        }
        let mut left = Vec::new();
        for (what, take_back) in self.made.into_iter().rev() {
            match take_back() {
                Ok(()) => {}
                Err(why) if why.retryable => {
                    let text = format!(
                        "{} It is being undone, and {what} could not be taken back yet: {}",
                        failure.errormessage, why.errormessage
                    );
                    return Failure { errormessage: text, ..why };
                }
                Err(why) => {
                    let fields = [("what", what.as_str()), ("why", why.errormessage.as_str())];
                    log::error("Something was left behind at the provider.", &fields);
                    left.push(what);
                }
            }
        }
        if left.is_empty() {
            failure.errormessage += " What had been made before that was taken back.";
            return failure;
        }
        failure.errormessage += &format!(
            " Left behind at the provider, and to be deleted there by its vendor: {}.",
            left.join(", ")
        );
        failure.with("orphans", left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn no() -> Failure {
        Failure::refused(409, "No.")
    }

    #[test]
    fn all_is_taken_back_the_last_one_first() {
        let order = RefCell::new(Vec::new());
        let mut undo = Undo::new();
        for name in ["a", "b", "c"] {
            let order = &order;
            undo.made(name, move || {
                order.borrow_mut().push(name);
                Ok(())
            });
        }
        let failure = undo.run(no());
        assert_eq!(*order.borrow(), ["c", "b", "a"]);
        assert_eq!(failure.errormessage, "No. What had been made before that was taken back.");
        assert!(failure.other.is_empty());
    }

    #[test]
    fn what_may_pass_leaves_everything_as_it_is() {
        let mut undo = Undo::new();
        undo.made("a", || panic!("it is not to be taken back"));
        let failure = undo.run(no().retryable());
        assert!(failure.retryable);
        assert_eq!(failure.errormessage, "No.");
        assert_eq!(Undo::new().run(no()).errormessage, "No.");
    }

    #[test]
    fn what_cannot_be_taken_back_is_told_and_the_others_are() {
        let taken = RefCell::new(0);
        let mut undo = Undo::new();
        undo.made("a", || {
            *taken.borrow_mut() += 1;
            Ok(())
        });
        undo.made("b", || Err(Failure::refused(403, "Never.")));
        let failure = undo.run(no());
        assert_eq!((failure.respcode, failure.retryable), (409, false));
        assert_eq!(*taken.borrow(), 1);
        assert!(failure.errormessage.ends_with("deleted there by its vendor: b."), "{failure:?}");
        assert_eq!(failure.other, [("orphans".to_owned(), r#"["b"]"#.to_owned())]);
    }

    #[test]
    fn undoing_that_may_pass_is_to_be_run_again() {
        let mut undo = Undo::new();
        undo.made("a", || panic!("it is not its turn"));
        undo.made("b", || Err(Failure::refused(503, "Later.").retryable()));
        let failure = undo.run(no());
        assert_eq!((failure.respcode, failure.retryable), (503, true));
        let text = "No. It is being undone, and b could not be taken back yet: Later.";
        assert_eq!(failure.errormessage, text);
    }
}
