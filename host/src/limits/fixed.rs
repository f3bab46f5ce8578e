//! The limits that are the same for every endpoint, each with its reason and what is still possible inside it.

/// A limit that nobody sets.
#[derive(Clone, Copy)]
pub(crate) struct Fixed {
    pub(crate) max: usize,
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// Why there is one, and why it is what it is.
    pub(super) why: &'static str,
    /// What whoever is hostile can still do inside it.
    pub(super) inside: &'static str,
}

// Of what a guest asks of its imports.

pub(crate) const HTTP_HEADERS: Fixed = Fixed {
    max: 100,
    name: "headers of a request or a response",
    unit: "headers",
    why: "each is parsed, copied and searched for secrets; the longest name and value are the client's to bound",
    inside: "send or make the host copy that many",
};
pub(crate) const RETRY_AFTER_S: Fixed = Fixed {
    max: 300,
    name: "pause that a provider can ask for",
    unit: "s",
    why: "what a provider says is not trusted either",
    inside: "keep its own endpoint from asking for that long",
};
pub(crate) const PAUSED_HOSTS: Fixed = Fixed {
    max: 64,
    name: "hosts of an endpoint whose pause is remembered",
    unit: "hosts",
    why: "a wildcard grant has any number of hosts",
    inside: "have the pause of one more host ignored",
};
pub(crate) const KV_KEY_BYTES: Fixed = Fixed {
    max: 256,
    name: "key of `kv`",
    unit: "bytes",
    why: "keys stay in memory while they are looked for",
    inside: "keep keys of that size, within its quota",
};
pub(crate) const KV_VALUE_BYTES: Fixed = Fixed {
    max: 24 << 10,
    name: "value of `kv`",
    unit: "bytes",
    why: "the store takes 32 KiB for one record, and its own frame",
    inside: "keep values of that size, within its quota",
};
pub(crate) const KV_LIST_ENTRIES: Fixed = Fixed {
    max: 1000,
    name: "entries of one `kv.list`",
    unit: "entries",
    why: "a page is held whole",
    inside: "read that many at a time",
};
pub(crate) const KV_LIST_BYTES: Fixed = Fixed {
    max: 1 << 20,
    name: "keys and values of one `kv.list` together",
    unit: "bytes",
    why: "the same; over it a list is refused and not cut, so that nobody takes its part for the whole",
    inside: "have that much held, and 64 entries more on their way",
};
pub(crate) const LOG_LINE_BYTES: Fixed = Fixed {
    max: 4 << 10,
    name: "message of a log line, and its fields together",
    unit: "bytes",
    why: "longer lines are cut by those who collect them",
    inside: "write lines of that length",
};
pub(crate) const RANDOM_BYTES: Fixed = Fixed {
    max: 64 << 10,
    name: "random bytes asked for at once",
    unit: "bytes",
    why: "they are made before they are copied",
    inside: "ask again, on its own processor time",
};

pub(crate) const HANDLES: Fixed = Fixed {
    max: 10_000,
    name: "handles of resources that a component defines for itself, in one call",
    unit: "handles",
    why: "the host keeps some words for each; the contract has none, and a language runtime brings along a handful",
    inside: "have the host keep that many for the length of a call",
};

// Of what a guest answers.

pub(crate) const PAGE_COUNT: Fixed = Fixed {
    max: 1000,
    name: "pages of one bill",
    unit: "pages",
    why: "a guest could answer `next` for ever; the call's wall clock bounds each page",
    inside: "be called that often for one request",
};
pub(crate) const NEXT_BYTES: Fixed = Fixed {
    max: 1024,
    name: "`next` of a page",
    unit: "bytes",
    why: "it goes out in an answer and comes back in a URL",
    inside: "put that much into an answer",
};
pub(crate) const LIST_ITEMS: Fixed = Fixed {
    max: 10_000,
    name: "items of a list that is read whole",
    unit: "items",
    why: "who asks for no page gets all there is; what is beyond is linked",
    inside: "put that many into one answer",
};
pub(crate) const PAGES_BYTES: Fixed = Fixed {
    max: 32 << 20,
    name: "pages of a list or a bill together",
    unit: "bytes",
    why: "they are held until the last one is there",
    inside: "have that much held per request, within its concurrency",
};
pub(crate) const BILL_RECORDS: Fixed = Fixed {
    max: 50_000,
    name: "records of one bill",
    unit: "records",
    why: "each is checked and put into the caller's currency and period",
    inside: "make a caller read that many",
};
pub(crate) const PENDING_TOKEN_BYTES: Fixed = Fixed {
    max: 1024,
    name: "token of a `pending`",
    unit: "bytes",
    why: "it is kept with the operation",
    inside: "keep that much per operation under way",
};
pub(crate) const POLL_AFTER_S: Fixed = Fixed {
    max: 3600,
    name: "wait that a `pending` or a retryable failure can ask for",
    unit: "s",
    why: "whoever asks for a year is never asked again; the least is 100 ms",
    inside: "be asked every 100 ms per operation under way, within its concurrency",
};
pub(crate) const OUTCOME_BYTES: Fixed = Fixed {
    max: 21 << 10,
    name: "answer of a change",
    unit: "bytes",
    why: "it is kept for a repeat, sealed, in one record of the store",
    inside: "keep that much per change, until its repeat is over",
};

// Of what a guest leaves behind when it fails.

pub(crate) const FAILURES_KEPT: Fixed = Fixed {
    max: 20,
    name: "failures kept for an endpoint's vendor",
    unit: "failures",
    why: "they are in memory; the log has them all",
    inside: "push older ones out",
};
pub(crate) const STEPS_SHOWN: Fixed = Fixed {
    max: 200,
    name: "steps of an operation that are shown",
    unit: "steps",
    why: "each is opened to be shown",
    inside: "hide what it did after that many",
};
pub(crate) const DECISION_NOTE_BYTES: Fixed = Fixed {
    max: 500,
    name: "note of a decision about an operation",
    unit: "bytes",
    why: "it is kept in the audit trail",
    inside: "have that much kept",
};
pub(crate) const TRAP_REASON_BYTES: Fixed = Fixed {
    max: 500,
    name: "each part of a trap's reason",
    unit: "bytes",
    why: "guests choose words of it",
    inside: "put that much into its own log and failures",
};
pub(crate) const TRAP_NAME_BYTES: Fixed = Fixed {
    max: 200,
    name: "a function's name in a backtrace",
    unit: "bytes",
    why: "a short mangled name can stand for a very long one",
    inside: "choose what its vendor reads there",
};
pub(crate) const TRAP_BACKTRACE_BYTES: Fixed = Fixed {
    max: 4 << 10,
    name: "a backtrace",
    unit: "bytes",
    why: "it goes to the log",
    inside: "put that much into its own log and failures",
};
pub(crate) const GUEST_STACK_BYTES: Fixed = Fixed {
    max: 512 << 10,
    name: "stack of a guest",
    unit: "bytes",
    why: "recursion without end has to end before the thread's own stack does",
    inside: "nest some thousand calls",
};
pub(crate) const GROWTHS: Fixed = Fixed {
    max: 4000,
    name: "times that the guests of an endpoint make their memories larger, per second",
    unit: "times",
    why: "each time the kernel holds up whoever else of the process wants at its map; over it, they wait",
    inside: "hold others up for some hundredths of the time",
};

// Of what a drift check takes from a provider's list, and keeps of it.

pub(crate) const DRIFT_RESOURCES: Fixed = Fixed {
    max: 100_000,
    name: "resources, and accounts, of one drift check, on each side",
    unit: "resources",
    why: "both sides are held until they are compared; a list over it is refused and not cut, since the rest would look missing",
    inside: "have that many held while its endpoint is checked",
};
pub(crate) const DRIFT_LIST_BYTES: Fixed = Fixed {
    max: 64 << 20,
    name: "resources of one drift check together, on each side",
    unit: "bytes",
    why: "the same",
    inside: "have that much held while its endpoint is checked; four endpoints are at a time",
};
pub(crate) const DRIFT_PAGES: Fixed = Fixed {
    max: 200_000,
    name: "calls of one drift check",
    unit: "calls",
    why: "a guest could answer `next` for ever; there is at least one call for each account, with a pause after each",
    inside: "be called that often, one after the other, within its own limits",
};
pub(crate) const DRIFT_EMPTY_PAGES: Fixed = Fixed {
    max: 10,
    name: "empty pages in a row, with a `next`, in a drift check",
    unit: "pages",
    why: "a provider that filters its pages has some; more of them are a list that does not end",
    inside: "nothing: the check fails",
};
pub(crate) const DRIFT_DIFFERENCES: Fixed = Fixed {
    max: 500,
    name: "differences in a drift report",
    unit: "differences",
    why: "a report is read by people and replaced in one commit; the rest are counted",
    inside: "push others out of the report of its own endpoint",
};
pub(crate) const DRIFT_REPORT_BYTES: Fixed = Fixed {
    max: 640 << 10,
    name: "differences in a drift report together",
    unit: "bytes",
    why: "the same",
    inside: "keep that much, once",
};
pub(crate) const DRIFT_SKIPPED: Fixed = Fixed {
    max: 20,
    name: "resources that a drift report names as not compared",
    unit: "resources",
    why: "they are part of one record; the rest are counted",
    inside: "push others out of the report of its own endpoint",
};
pub(crate) const DRIFT_IGNORED: Fixed = Fixed {
    max: 400,
    name: "differences of an endpoint that are ignored",
    unit: "differences",
    why: "they are one record; who ignores more should adopt",
    inside: "nothing: the operator ignores them",
};
pub(crate) const DRIFT_ADOPTED: Fixed = Fixed {
    max: 100,
    name: "resources that are adopted by one request",
    unit: "resources",
    why: "each is asked for again, one after the other",
    inside: "keep the operator waiting for that many calls",
};
pub(crate) const DRIFT_SEATS_ADOPTED: Fixed = Fixed {
    max: 200,
    name: "seats of a resource that is adopted, on each side",
    unit: "seats",
    why: "a commit takes 512 records",
    inside: "nothing: they are not adopted",
};

/// All of them, in the order of the table.
pub(super) const ALL: [Fixed; 36] = [
    HTTP_HEADERS,
    RETRY_AFTER_S,
    PAUSED_HOSTS,
    KV_KEY_BYTES,
    KV_VALUE_BYTES,
    KV_LIST_ENTRIES,
    KV_LIST_BYTES,
    LOG_LINE_BYTES,
    RANDOM_BYTES,
    HANDLES,
    PAGE_COUNT,
    NEXT_BYTES,
    LIST_ITEMS,
    PAGES_BYTES,
    BILL_RECORDS,
    PENDING_TOKEN_BYTES,
    POLL_AFTER_S,
    OUTCOME_BYTES,
    FAILURES_KEPT,
    STEPS_SHOWN,
    DECISION_NOTE_BYTES,
    TRAP_REASON_BYTES,
    TRAP_NAME_BYTES,
    TRAP_BACKTRACE_BYTES,
    GUEST_STACK_BYTES,
    GROWTHS,
    DRIFT_RESOURCES,
    DRIFT_LIST_BYTES,
    DRIFT_PAGES,
    DRIFT_EMPTY_PAGES,
    DRIFT_DIFFERENCES,
    DRIFT_REPORT_BYTES,
    DRIFT_SKIPPED,
    DRIFT_IGNORED,
    DRIFT_ADOPTED,
    DRIFT_SEATS_ADOPTED,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_in_the_table() {
        let source = include_str!("fixed.rs");
        let declared = source.lines().filter(|line| line.starts_with("pub(crate) const ")).count();
        assert_eq!(declared, ALL.len());
        let mut names: Vec<&str> = ALL.iter().map(|fixed| fixed.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
