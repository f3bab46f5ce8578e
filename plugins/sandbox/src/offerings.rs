//! What this provider sells: a table.

/// One offering.
pub(crate) struct Offering {
    pub(crate) sku: &'static str,
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) category: &'static str,
    pub(crate) licences_min: u64,
    pub(crate) licences_max: u64,
    pub(crate) charges: &'static [Charge],
    pub(crate) options: &'static [CustomOption],
    /// How its instances misbehave.
    pub(crate) script: &'static str,
}

/// What something is charged by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each licence, in advance for the calendar month.
    Recurring,
    /// Once, when the instance starts.
    Setup,
    /// This many thousandths of a unit per licence and full day, once the day is over.
    Metered { thousandths: u64 },
}

/// One thing that is charged for.
pub(crate) struct Charge {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) tiers: &'static [Tier],
}

/// One step of the price, from `from` up to the next one's: cost, sell and recommended price of a unit.
pub(crate) struct Tier {
    pub(crate) from: &'static str,
    pub(crate) cost: &'static str,
    pub(crate) sell: &'static str,
    pub(crate) erp: &'static str,
}

/// A choice to make when buying. The first value holds when none is made.
pub(crate) struct CustomOption {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) values: &'static [&'static str],
}

const fn tier(
    from: &'static str,
    cost: &'static str,
    sell: &'static str,
    erp: &'static str,
) -> Tier {
    Tier { from, cost, sell, erp }
}

const TOLD: &[Charge] = &[Charge {
    id: "told-users",
    name: "Users",
    kind: Kind::Recurring,
    tiers: &[tier("0", "0.50", "1.00", "1.00")],
}];

/// An offering that does what its script says, at one dollar a licence.
const fn told(
    sku: &'static str,
    name: &'static str,
    summary: &'static str,
    script: &'static str,
) -> Offering {
    Offering {
        sku,
        name,
        summary,
        category: "Sandbox misbehaviour",
        licences_min: 1,
        licences_max: 100,
        charges: TOLD,
        options: &[],
        script,
    }
}

/// All of them, in the catalogue's order.
pub(crate) const OFFERINGS: &[Offering] = &[
    Offering {
        sku: "SANDBOX-CRM-STARTER",
        name: "Sandbox CRM Starter",
        summary: "Contacts and deals for a small team.",
        category: "CRM",
        licences_min: 1,
        licences_max: 25,
        charges: &[Charge {
            id: "crm-starter-users",
            name: "Users",
            kind: Kind::Recurring,
            tiers: &[tier("0", "6.00", "10.00", "12.00")],
        }],
        options: &[],
        script: "",
    },
    Offering {
        sku: "SANDBOX-CRM-PRO",
        name: "Sandbox CRM Pro",
        summary: "Contacts, deals and forecasts for a sales department.",
        category: "CRM",
        licences_min: 5,
        licences_max: 500,
        charges: &[
            Charge {
                id: "crm-pro-setup",
                name: "Set-up",
                kind: Kind::Setup,
                tiers: &[tier("0", "50.00", "99.00", "120.00")],
            },
            Charge {
                id: "crm-pro-users",
                name: "Users",
                kind: Kind::Recurring,
                tiers: &[
                    tier("0", "15.00", "24.00", "29.00"),
                    tier("10", "13.50", "21.00", "26.00"),
                    tier("50", "12.00", "18.50", "23.00"),
                ],
            },
        ],
        options: &[
            CustomOption {
                key: "customoption1",
                title: "Data region",
                values: &["eu", "us", "asia"],
            },
            CustomOption {
                key: "customoption2",
                title: "Support",
                values: &["office hours", "around the clock"],
            },
        ],
        script: "",
    },
    Offering {
        sku: "SANDBOX-MAIL",
        name: "Sandbox Mail",
        summary: "A mailbox with a calendar for each licence.",
        category: "E-mail",
        licences_min: 1,
        licences_max: 10_000,
        charges: &[Charge {
            id: "mail-users",
            name: "Users",
            kind: Kind::Recurring,
            tiers: &[
                tier("0", "2.00", "4.00", "5.00"),
                tier("25", "1.80", "3.50", "4.50"),
                tier("250", "1.60", "3.00", "4.00"),
                tier("2500", "1.25", "2.45", "3.25"),
            ],
        }],
        options: &[CustomOption {
            key: "customoption1",
            title: "Mailbox size",
            values: &["50 GB", "100 GB"],
        }],
        script: "",
    },
    Offering {
        sku: "SANDBOX-BACKUP",
        name: "Sandbox Backup",
        summary: "Keeps a copy of everything; charged by machine and by what it stores.",
        category: "Backup",
        licences_min: 1,
        licences_max: 1_000,
        charges: &[
            Charge {
                id: "backup-setup",
                name: "Set-up",
                kind: Kind::Setup,
                tiers: &[tier("0", "10.00", "25.00", "25.00")],
            },
            Charge {
                id: "backup-machines",
                name: "Machines",
                kind: Kind::Recurring,
                tiers: &[tier("0", "1.10", "2.25", "2.75"), tier("100", "0.90", "1.95", "2.50")],
            },
            Charge {
                id: "backup-storage",
                name: "Storage",
                kind: Kind::Metered { thousandths: 2_500 },
                tiers: &[
                    tier("0", "0.0125", "0.0235", "0.03"),
                    tier("1000", "0.01", "0.0195", "0.025"),
                ],
            },
        ],
        options: &[],
        script: "",
    },
    told("SANDBOX-PENDING", "Sandbox Pending", "Takes two polls to become active.", "pending:2"),
    told("SANDBOX-REFUSED", "Sandbox Refused", "Is refused to everybody.", "refuse:403"),
    told("SANDBOX-FLAKY", "Sandbox Flaky", "Fails once, retryably, and then succeeds.", "fail:1"),
    told(
        "SANDBOX-SLOW",
        "Sandbox Slow",
        "Keeps its host busy for a second and a half.",
        "slow:1500",
    ),
    told("SANDBOX-NONSENSE", "Sandbox Nonsense", "Answers what is not JSON.", "nonsense:json"),
    told("SANDBOX-TRAP", "Sandbox Trap", "Stops as a bug would stop it.", "trap"),
];
