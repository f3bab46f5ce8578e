//! What the provider has, as its plugin lists it: the accounts, then the resources of each.
//!
//! The list is whole, or it is none: whatever goes wrong on the way ends the check, since what is missing from half
//! a list looks as if the provider had lost it.

use super::asking::{Asked, Asking};
use super::compare::Theirs;
use super::ours::Accounts;
use super::report::{Listed, cut};
use super::stop::Stop;
use crate::journal::is_id;
use crate::limits::fixed;
use crate::model::{AccountInfo, Failure, OperationKind, ResourceInfo, shown};
use futures_util::FutureExt;
use std::collections::{BTreeSet, HashMap};

/// What a resource costs in memory beside its texts, about.
const RESOURCE_BYTES: usize = 200;
/// Where most plugins say which subscription bills a resource, in `parameters`.
const SUBSCRIPTION: &str = "subscriptionid";
/// Where a plugin says who has a seat of a resource, in `additionalparameters`: a list of users' ids.
const SEATS: &str = "seats";

/// All that the provider has listed.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) resources: HashMap<String, Theirs>,
    pub(super) listed: Listed,
    /// Accounts whose resources the provider does not tell, and why.
    pub(super) refused: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
    bytes: usize,
}

impl Asking<'_> {
    /// Whether the plugin says that it cannot list at all.
    async fn check_capability(&self) -> Result<(), Stop> {
        let kind = OperationKind::Describe;
        let described = self
            .ask(kind, |adapter, store| {
                async move { adapter.discovery(&mut *store)?.call_describe(store).await }.boxed()
            })
            .await?;
        // One that does not describe itself may list all the same.
        let Ok(description) = described else { return Ok(()) };
        let name = OperationKind::ListResources.texts().name;
        match description.capabilities.iter().any(|capability| capability == name) {
            true => Ok(()),
            false => Err(Stop::cannot_list(&format!("{name} is not among its capabilities."))),
        }
    }

    /// The provider's accounts, and those of ours that it does not list.
    async fn accounts(
        &self,
        known: &Accounts,
        notes: &mut Vec<String>,
    ) -> Result<Vec<String>, Stop> {
        let kind = OperationKind::ListAccounts;
        let (mut accounts, mut seen) = (Vec::new(), BTreeSet::new());
        let asked = Asked::default();
        let listed = self
            .pages(
                kind,
                |adapter, store, page| {
                    let asked = asked.clone();
                    async move {
                        let accounts = adapter.account(&mut *store)?;
                        let listed = accounts.call_list(&mut *store, &page).await?;
                        asked.note(store);
                        Ok(listed.map(|listed| (listed.accounts, listed.next)))
                    }
                    .boxed()
                },
                |page: Vec<AccountInfo>| {
                    for account in page {
                        let id = account.provideraccountid;
                        if !is_id(&id) {
                            return Err(Stop::lying(kind, &format!("the id `{}`", shown(&id))));
                        }
                        if seen.insert(id.clone()) {
                            accounts.push(id);
                        }
                    }
                    match accounts.len() > fixed::DRIFT_RESOURCES.max {
                        true => Err(Stop::too_long("accounts in its list", accounts.len())),
                        false => Ok(()),
                    }
                },
            )
            .await?;
        match listed {
            Ok(()) if asked.anybody() || accounts.is_empty() => {}
            Ok(()) => notes.push(
                "The plugin told the accounts that it keeps itself: resources that the provider has for others are not found.".to_owned(),
            ),
            Err(failure) if failure.respcode == 501 => notes.push(
                "The plugin cannot list its provider's accounts: only those that the host knows were looked at, and resources of others are not found.".to_owned(),
            ),
            Err(failure) => return Err(Stop::refused(kind, "", &failure)),
        }
        accounts.extend(known.by_provider.keys().filter(|id| !seen.contains(*id)).cloned());
        if accounts.is_empty() && !asked.anybody() {
            let why = "it has no account, and asked its provider for none.";
            return Err(Stop::cannot_list(why));
        }
        Ok(accounts)
    }

    /// Everything that the provider has.
    pub(super) async fn all(&self, known: &Accounts) -> Result<Listing, Stop> {
        self.check_capability().await?;
        let mut listing = Listing::default();
        let accounts = self.accounts(known, &mut listing.notes).await?;
        self.running.accounts_known(accounts.len());
        let (mut told, asked, are_any) = (0, Asked::default(), !accounts.is_empty());
        for account in accounts {
            match self.resources(&account, &asked, &mut listing).await? {
                Ok(()) => told += 1,
                // It is gone, and all that it had.
                Err(failure) if failure.respcode == 404 => told += 1,
                Err(failure) if failure.respcode == 501 => {
                    return Err(Stop::cannot_list(&shown(&failure.errormessage).to_string()));
                }
                Err(failure) => {
                    let kind = OperationKind::ListResources;
                    let of = format!(" of account `{}`", shown(&account));
                    let stop = Stop::refused(kind, &of, &failure);
                    // That may pass, or concern all: what it is about cannot be told.
                    if failure.retryable || matches!(failure.respcode, 401 | 429 | 500..) {
                        return Err(stop);
                    }
                    listing.refused.push((account, stop.reason));
                }
            }
            self.running.account_is_listed();
        }
        if are_any && told == 0 {
            let (_, reason) = listing.refused.pop().unwrap_or_default();
            return Err(Stop { code: "REFUSED", reason, cause: None });
        }
        if are_any && !asked.anybody() {
            return Err(Stop::cannot_list(
                "it answered from what it keeps itself, and asked its provider for nothing.",
            ));
        }
        listing.listed.accounts = told;
        listing.listed.resources = listing.resources.len();
        Ok(listing)
    }

    async fn resources(
        &self,
        account: &str,
        asked: &Asked,
        listing: &mut Listing,
    ) -> Result<Result<(), Failure>, Stop> {
        self.pages(
            OperationKind::ListResources,
            |adapter, store, page| {
                let (account, asked) = (account.to_owned(), asked.clone());
                async move {
                    let resources = adapter.resource(&mut *store)?;
                    let listed = resources.call_list(&mut *store, &account, &page).await?;
                    asked.note(store);
                    Ok(listed.map(|listed| (listed.resources, listed.next)))
                }
                .boxed()
            },
            |page: Vec<ResourceInfo>| {
                for resource in page {
                    listing.add(account, resource)?;
                }
                self.running.resources(listing.resources.len());
                Ok(())
            },
        )
        .await
    }

    /// One resource, asked for by itself. The failure is 404 where there is none.
    pub(super) async fn one(&self, instance: &str) -> Result<Result<Theirs, Failure>, Stop> {
        let kind = OperationKind::GetResource;
        let id = instance.to_owned();
        let found = self
            .ask(kind, |adapter, store| {
                let id = id.clone();
                async move { adapter.resource(&mut *store)?.call_get(store, &id).await }.boxed()
            })
            .await?;
        let resource = match found {
            Ok(resource) => resource,
            Err(failure) => return Ok(Err(failure)),
        };
        let answered = &resource.parameters.providerinstanceid;
        if answered != instance {
            let text = format!(
                "it was asked for `{}`, and told of `{}`",
                shown(instance),
                shown(answered)
            );
            return Err(Stop::lying(kind, &text));
        }
        Ok(Ok(theirs(None, resource)?))
    }
}

impl Listing {
    fn add(&mut self, account: &str, resource: ResourceInfo) -> Result<(), Stop> {
        let kind = OperationKind::ListResources;
        let id = resource.parameters.providerinstanceid.clone();
        if !is_id(&id) {
            return Err(Stop::lying(kind, &format!("the id `{}`", shown(&id))));
        }
        let theirs = theirs(Some(account), resource)?;
        let users = theirs.users.iter().flatten().map(String::len).sum::<usize>();
        let texts = [&theirs.sku, &theirs.status].into_iter().flatten().map(String::len);
        self.bytes += id.len() + account.len() + texts.sum::<usize>() + users + RESOURCE_BYTES;
        match self.resources.get(&id) {
            None => drop(self.resources.insert(id, theirs)),
            Some(known) if *known == theirs => self.listed.duplicates += 1,
            Some(_) => {
                let text = format!("`{}` is there twice, and not the same", shown(&id));
                return Err(Stop::lying(kind, &text));
            }
        }
        let count = self.resources.len() + self.listed.duplicates;
        match (count > fixed::DRIFT_RESOURCES.max, self.bytes > fixed::DRIFT_LIST_BYTES.max) {
            (true, _) => Err(Stop::too_long("resources in its list", count)),
            (_, true) => Err(Stop::too_long("bytes in its list", self.bytes)),
            (false, false) => Ok(()),
        }
    }
}

fn theirs(account: Option<&str>, resource: ResourceInfo) -> Result<Theirs, Stop> {
    let ResourceInfo { parameters, additionalparameters, .. } = resource;
    let seats = additionalparameters.iter().find(|(key, _)| key == SEATS);
    // Of any other shape, it is something else of the provider's.
    let users = seats.and_then(|(_, value)| serde_json::from_str::<Vec<String>>(value).ok());
    if let Some(wrong) = users.iter().flatten().find(|user| !is_id(user)) {
        let text = format!("the user `{}` has a seat", shown(wrong));
        return Err(Stop::lying(OperationKind::ListResources, &text));
    }
    let subscription = parameters.other.iter().find(|(key, _)| key == SUBSCRIPTION);
    let subscription =
        subscription.and_then(|(_, value)| serde_json::from_str::<String>(value).ok());
    Ok(Theirs {
        subscriptionid: subscription.filter(|id| is_id(id)),
        account: account.map(str::to_owned),
        // What no id could be is cut, as it is when it is shown.
        sku: parameters.sku.map(|sku| if is_id(&sku) { sku } else { cut(&sku) }),
        license: parameters.license,
        status: parameters.status.map(|status| cut(&status)),
        users: users.map(|users| users.into_iter().collect()),
    })
}
