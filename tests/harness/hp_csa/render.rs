//! CSA's XML, as it writes it.

use super::{CATALOG, MAIL, Organization, Person, SERVER, ServiceRequest, State, Subscription};

const XSI: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// With what every artifact of CSA's has beside its name.
fn named(id: &str, name: &str) -> String {
    let name = escape(name);
    format!(
        "<id>{id}</id><objectId>{id}</objectId><createdOn>2012-06-21T11:51:43.300-07:00</createdOn>\
         <isCriticalSystemObject>false</isCriticalSystemObject><name>{name}</name><displayName>{name}</displayName>\
         <state><id>90d96588360da0c701360da0ef470038</id><name>ACTIVE</name><displayName>Active</displayName>\
         <categoryType><id>90d96588360da0c701360da0ef420037</id><name>ARTIFACT_STATE</name></categoryType></state>"
    )
}

pub(super) fn document(root: &str, body: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><{root}>{body}</{root}>")
}

/// A list that counts more than it has, as CSA's own samples do.
pub(super) fn list(state: &State, root: &str, items: &[String]) -> String {
    let limit = if state.cut { items.len() } else { 0 };
    let count = items.len() + 3;
    document(root, &format!("<count>{count}</count><limit>{limit}</limit>{}", items.concat()))
}

pub(super) fn organization(id: &str, organization: &Organization) -> String {
    format!(
        "{}<description>An organization &amp; more</description><accountNumber>4711</accountNumber>\
         <businessRole><name>{}</name></businessRole>",
        named(id, &organization.name),
        organization.role
    )
}

pub(super) fn person(id: &str, person: &Person) -> String {
    format!(
        "{}<emailAddress>{}@example.com</emailAddress>",
        named(id, &person.name),
        escape(&person.name.replace('/', "."))
    )
}

fn money(tag: &str, typed: bool, setup: bool, amount: &str) -> String {
    let (kind, category) =
        if setup { ("initialPricingVO", "SETUP") } else { ("recurrentPricingVO", "RECURRING") };
    let (kind, category) = match typed {
        true => (format!(" {XSI} xsi:type=\"{kind}\""), String::new()),
        false => (String::new(), format!("<priceCategory><name>{category}</name></priceCategory>")),
    };
    format!(
        "<{tag}{kind}>{category}<fixedPrice>{amount}</fixedPrice><unitPrice>0.0</unitPrice></{tag}>"
    )
}

fn pricing(multiplier: &str, period: &str) -> String {
    format!(
        "<pricingModel><currency><name>USD</name><displayName>US Dollar</displayName></currency>\
         <priceAdjustmentMultiplier>{multiplier}</priceAdjustmentMultiplier>\
         <recurrencePeriod><name>{period}</name><displayName>Monthly</displayName></recurrencePeriod></pricingModel>"
    )
}

fn option(name: &str, title: &str, selected: bool, more: &str) -> String {
    format!(
        "<options><id>1</id><name>{name}</name><displayName>{title}</displayName><isSelected>{selected}</isSelected>{more}</options>"
    )
}

pub(super) fn offering(id: &str) -> String {
    let (name, setup, recurring) =
        if id == SERVER { ("Lab Server", Some("1200.0"), "150.0") } else { ("Mail", None, "20.0") };
    let setup = setup.map(|setup| money("basePrice", true, true, setup)).unwrap_or_default();
    let memory = "<property><name>mem;1</name><displayName>Memory</displayName><values><value>4096</value></values></property>";
    let options = format!(
        "<optionModel><name>a1ff377a</name><optionSets><name>size</name><displayName>Size</displayName>{}{}</optionSets></optionModel>",
        option("small", "Small", true, ""),
        option("large", "Large", false, memory)
    );
    format!(
        "{}<description>{name} &lt;b&gt;here&lt;/b&gt;</description>{}{setup}{}{}\
         <attachment><name>manual.pdf</name><content>QUFB</content></attachment>",
        named(id, name),
        if id == MAIL { "" } else { options.as_str() },
        money("basePrice", true, false, recurring),
        pricing("1.1", "MONTH")
    )
}

pub(super) fn request(state: &State, id: &str, request: &ServiceRequest) -> String {
    let by = state.persons.get(&request.by).map_or("nobody", |person| person.name.as_str());
    let status = request
        .status
        .map(|status| format!("<requestStatus><name>{status}</name></requestStatus>"))
        .unwrap_or_default();
    format!(
        "{}<description>{}</description><createdBy><id>{}</id><name>{}</name></createdBy>\
         <requestState><name>{}</name></requestState>{status}<requestedAction><name>{}</name></requestedAction>",
        named(id, &request.name),
        escape(&request.description),
        request.by,
        escape(by),
        request.state,
        request.action
    )
}

pub(super) fn subscription(state: &State, id: &str, of: &Subscription) -> String {
    let tagged = |tag: &str, text: &Option<String>| {
        text.as_ref().map(|text| format!("<{tag}>{}</{tag}>", escape(text))).unwrap_or_default()
    };
    let attachment = match state.attachment_bytes {
        0 => String::new(),
        bytes => format!(
            "<attachment><id>1</id><name>x</name><content>{}</content></attachment>",
            "QUFB".repeat(bytes / 4)
        ),
    };
    let price = |setup: bool, amount: Option<&str>| {
        amount.map(|amount| money("totalPrice", of.typed, setup, amount)).unwrap_or_default()
    };
    format!(
        "{attachment}{}<description>{}</description><catalogItem><id>{}</id><catalog><id>{CATALOG}</id></catalog></catalogItem>\
         <serviceOffering><id>{}</id></serviceOffering>\
         <serviceInstance><id>{}</id><disabled>false</disabled><serviceInstanceState><name>{}</name></serviceInstanceState></serviceInstance>\
         <subscriptionStatus><name>{}</name><displayName>x</displayName></subscriptionStatus>\
         <initiatingServiceRequest><id>{}</id></initiatingServiceRequest><startDate>{}</startDate>{}{}{}{}{}",
        named(id, &of.name),
        escape(&of.description),
        of.offering,
        of.offering,
        id.replacen("90d9", "90ce", 1),
        of.state,
        of.status,
        of.request,
        of.start,
        tagged("endDate", &of.end),
        price(false, of.recurring),
        price(true, of.setup),
        pricing(of.multiplier, of.period),
        tagged("ownerGroup", &of.group),
    )
}

pub(super) fn utilization(name: &str, usage: u32) -> String {
    format!(
        "<utilization><resourceBindingId>1</resourceBindingId><resourceType><id>1</id><name>{name}</name>\
         <description>As retrieved</description><disabled>false</disabled></resourceType>\
         <unit><id>1</id><name>N</name></unit><usage>{usage}</usage></utilization>"
    )
}
