//! CSA's organizations, with the persons and catalogs of each. They are LDAP's: here they are only read.

use crate::csa::{Csa, encode};
use crate::ids;
use crate::xml::Element;
use cnsp_sdk::Failure;

/// An organization, as its list tells it.
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) description: Option<String>,
    pub(crate) account_number: Option<String>,
    pub(crate) state: Option<String>,
    role: Option<String>,
}

/// An organization with all that belongs to it.
pub(crate) struct Members {
    pub(crate) organization: Organization,
    /// In the order of their ids.
    pub(crate) persons: Vec<Person>,
    pub(crate) catalogs: Vec<String>,
}

/// Somebody who has signed in to CSA at least once.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub(crate) struct Person {
    pub(crate) id: String,
    /// What he or she signs in with.
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) display_name: Option<String>,
    #[serde(skip)]
    pub(crate) email: Option<String>,
}

impl Organization {
    fn read(element: &Element) -> Option<Self> {
        let id = element.text_at(&["id"]).filter(|id| ids::is_plain(id))?.to_owned();
        let name = element.owned(&["name"])?;
        Some(Self {
            display_name: element.owned(&["displayName"]).unwrap_or_else(|| name.clone()),
            description: element.owned(&["description"]),
            account_number: element.owned(&["accountNumber"]),
            state: element.owned(&["state", "name"]),
            role: element.owned(&["businessRole", "name"]),
            id,
            name,
        })
    }

    /// Whether it buys. CSA's own organization, which sells, is listed as well.
    fn is_consumer(&self) -> bool {
        self.role.as_deref().is_none_or(|role| role.eq_ignore_ascii_case("CONSUMER"))
    }
}

impl Person {
    fn read(element: &Element) -> Option<Self> {
        Some(Self {
            id: element.text_at(&["id"]).filter(|id| ids::is_plain(id))?.to_owned(),
            name: element.owned(&["name"])?,
            display_name: element.owned(&["displayName"]),
            email: element.owned(&["emailAddress"]),
        })
    }
}

/// Everyone who buys, in the order of their ids. The list's `count` is more than what it has, at times.
pub(crate) fn list(csa: &Csa, admin: &str) -> Result<Vec<Organization>, Failure> {
    let path = format!("/organization?userIdentifier={}", encode(admin));
    let root = csa.get(&path, "The list of organizations")?;
    let mut found: Vec<Organization> =
        root.all("organization").filter_map(Organization::read).collect();
    found.retain(Organization::is_consumer);
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

/// An organization that buys, with all that belongs to it.
pub(crate) fn find(csa: &Csa, admin: &str, id: &str) -> Result<Option<Members>, Failure> {
    if !ids::is_plain(id) {
        return Ok(None);
    }
    let path = format!(
        "/organization/{}?scope=baseplusone&detail=basic&userIdentifier={}",
        encode(id),
        encode(admin)
    );
    let what = "The organization";
    let Some(root) = csa.find(&path, what)? else { return Ok(None) };
    let Some(organization) = Organization::read(&root).filter(|found| found.id == id) else {
        let text = format!(
            "{what} that CSA answered is not the one that was asked for. Its vendor must look."
        );
        return Err(Failure::refused(502, text));
    };
    if !organization.is_consumer() {
        return Ok(None);
    }
    let mut persons: Vec<Person> = root.all("person").filter_map(Person::read).collect();
    persons.sort_by(|one, other| one.id.cmp(&other.id));
    persons.dedup_by(|one, other| one.id == other.id);
    let ids = root.all("catalog").filter_map(|catalog| catalog.owned(&["id"]));
    Ok(Some(Members { organization, persons, catalogs: ids.collect() }))
}

/// As [`find`], or the failure that says that there is none.
pub(crate) fn open(csa: &Csa, admin: &str, id: &str) -> Result<Members, Failure> {
    find(csa, admin, id)?.ok_or_else(missing)
}

pub(crate) fn missing() -> Failure {
    Failure::refused(404, "The account doesn't exist.")
}
