//! Accounts after they were made: BillingStack's customers, with what the adapter keeps of them.

use crate::billingstack::{BillingStack, Contact, Customer};
use crate::id::Id;
use crate::keystone::{Keystone, Purpose};
use crate::record::{self, Account, User};
use crate::settings::Settings;
use crate::{check, page};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, done};

/// More users than this have to be deleted one by one before their account, so that no operation grows without bound.
const USERS_DELETED_MAX: u32 = 20;

/// An address as BillingStack has it.
pub(crate) fn contact_of(
    address: Option<&Address>,
    phone: &Option<String>,
    company: &str,
) -> Result<Contact, Failure> {
    let mut contact = Contact { company: Some(company.to_owned()), ..Contact::default() };
    lay_over(&mut contact, address, phone)?;
    Ok(contact)
}

/// What is absent stays.
fn lay_over(
    contact: &mut Contact,
    address: Option<&Address>,
    phone: &Option<String>,
) -> Result<(), Failure> {
    check::texts(&[("phone", phone)])?;
    if phone.is_some() {
        contact.phone.clone_from(phone);
    }
    let Some(address) = address else { return Ok(()) };
    let fields = [
        ("addressline1", &address.addressline1, &mut contact.address1),
        ("addressline2", &address.addressline2, &mut contact.address2),
        ("city", &address.city, &mut contact.locality),
        ("state", &address.state, &mut contact.region),
        ("postalcode", &address.postalcode, &mut contact.postal_code),
        ("country", &address.country, &mut contact.country_name),
    ];
    for (name, from, to) in fields {
        check::texts(&[(name, from)])?;
        if from.is_some() {
            to.clone_from(from);
        }
    }
    Ok(())
}

pub(crate) fn update(request: UpdateAccount) -> Result<UpdateAccountOutcome, Failure> {
    let settings = Settings::read()?;
    let mut account = Account::of_requestor(&request.requestor)?;
    let billingstack = BillingStack { settings: &settings };
    let customer = billingstack.customer(&account.customer)?.ok_or_else(Account::missing)?;
    let mut contact = customer.contact();
    lay_over(&mut contact, request.address.as_ref(), &request.phone)?;
    let name = match request.accountname {
        Some(name) => {
            check::name("accountname", &name)?;
            contact.company = Some(name.clone());
            name
        }
        None => customer.name.unwrap_or_default(),
    };
    check::merge(&mut account.attributes, request.additionalattributes);
    check::merge(&mut account.address, request.address.map(|of| of.other).unwrap_or_default());
    check::merge(&mut account.other, request.other);
    check::record("The account", &account)?;
    billingstack
        .change_customer(&account.customer, &name, &contact)
        .map_err(|refusal| refusal.or_missing(Account::missing))?;
    account.save()?;
    done(account.ids())
}

pub(crate) fn delete(request: DeleteAccount) -> Result<DeleteAccountOutcome, Failure> {
    let settings = Settings::read()?;
    let account = Account::of_requestor(&request.requestor)?;
    let billingstack = BillingStack { settings: &settings };
    let keystone = Keystone { settings: &settings };
    // BillingStack would delete the subscriptions with the customer, and say nothing.
    if let Some(subscription) = billingstack.subscriptions_of(&account.customer)?.first() {
        let text = format!(
            "The account still has the subscription {} of the instance {}: delete it first.",
            subscription.id,
            check::said(&subscription.resource_id)
        );
        return Err(Failure::refused(409, text));
    }
    let users = record::ids_below(&record::users_of(&account.customer), USERS_DELETED_MAX + 1)?;
    if users.len() > USERS_DELETED_MAX as usize {
        let text = format!(
            "The account has more than {USERS_DELETED_MAX} users: delete some of them first."
        );
        return Err(Failure::refused(409, text));
    }
    // Each of these can be repeated: an end that was interrupted is gone on with by asking again.
    let purpose = Purpose::Customer(account.customer.clone());
    for role in [&settings.roles.billingstack_admin, &settings.roles.openstack_admin] {
        keystone.take_role(&purpose, &account.tenant, &account.owner, role)?;
    }
    billingstack.delete_customer(&account.customer)?;
    keystone.delete_tenant(&account.tenant)?;
    for user in users {
        keystone.delete_user(&user)?;
        if let Some(user) = User::find(user.as_str())? {
            user.forget()?;
        }
    }
    account.forget()?;
    done(account.ids())
}

pub(crate) fn get(id: &str) -> Result<AccountInfo, Failure> {
    let settings = Settings::read()?;
    let account = Account::find(id)?;
    let customer = match &account {
        Some(account) => Some(account.customer.clone()),
        None => Id::parse(id),
    };
    let Some(customer) = customer else { return Err(Account::missing()) };
    let customer = BillingStack { settings: &settings }.customer(&customer)?;
    Ok(info(customer.ok_or_else(Account::missing)?, account))
}

pub(crate) fn list(page: Page) -> Result<AccountPage, Failure> {
    let settings = Settings::read()?;
    let mut customers = BillingStack { settings: &settings }.customers()?;
    customers.sort_by(|a, b| a.id.cmp(&b.id));
    let (customers, next) = page::cut(customers, &page, |customer| customer.id.to_string())?;
    let mut accounts = Vec::with_capacity(customers.len());
    for customer in customers {
        let account = Account::of_customer(&customer.id)?;
        accounts.push(info(customer, account));
    }
    Ok(AccountPage { accounts, next })
}

/// One that somebody has made at BillingStack has no accountid but its own id.
fn info(customer: Customer, account: Option<Account>) -> AccountInfo {
    let contact = customer.contact();
    let id = customer.id.to_string();
    let (accountid, attributes, address, other) = match account {
        Some(account) => (account.accountid, account.attributes, account.address, account.other),
        None => (id.clone(), OpenMap::new(), OpenMap::new(), OpenMap::new()),
    };
    AccountInfo {
        accountid,
        provideraccountid: id,
        accountname: customer.name.unwrap_or_default(),
        accounttype: None,
        phone: contact.phone,
        address: Some(Address {
            addressline1: contact.address1,
            addressline2: contact.address2,
            city: contact.locality,
            state: contact.region,
            postalcode: contact.postal_code,
            country: contact.country_name,
            other: address,
        }),
        additionalattributes: attributes,
        other,
    }
}
