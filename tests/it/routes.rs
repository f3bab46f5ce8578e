//! Each operation of CNSP 1.0: its success and each of its sampled errors, compared whole, and what is wrong
//! with a request, by the field that is named.

mod account {
    mod create;
    mod delete;
    mod get;
    mod list;
    mod update;
}
mod billing {
    mod usage;
}
mod catalog {
    mod list;
}
mod discovery {
    mod describe;
}
mod health {
    mod check;
}
mod resource {
    mod act;
    mod create;
    mod delete;
    mod get;
    mod list;
    mod update;
}
mod seat {
    mod assign;
    mod revoke;
}
mod user {
    mod create;
    mod delete;
    mod get;
    mod list;
    mod update;
}
