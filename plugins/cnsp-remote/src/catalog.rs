//! The catalogue.

use crate::object::{Object, Wrong};
use crate::page::Wanted;
use crate::remote::Remote;
use cnsp_sdk::Failure;
use cnsp_sdk::types::*;

pub(crate) const PATH: &str = "/catalog";

pub(crate) fn list(page: Page) -> Result<CatalogPage, Failure> {
    let remote = Remote::open()?;
    let wanted = Wanted::of(page)?;
    let mut answered = wanted.get(&remote, PATH, &[])?;
    let resources = answered.response.required_list("resources")?;
    let resources: Result<Vec<_>, _> = resources.into_iter().map(offering).collect();
    let (resources, next) = wanted.cut(resources?, answered.next);
    Ok(CatalogPage { resources, next })
}

fn offering(mut object: Object) -> Result<Offering, Wrong> {
    let kind = object.required_object("resource")?;
    let parameters = object.required_object("parameters")?;
    let charges = object.list("chargeattributes")?.unwrap_or_default();
    Ok(Offering {
        resource: offering_kind(kind)?,
        parameters: offering_parameters(parameters)?,
        additionalparameters: object.map("additionalparameters")?,
        chargeattributes: charges.into_iter().map(charge).collect::<Result<_, _>>()?,
        other: object.rest()?,
    })
}

fn offering_kind(mut object: Object) -> Result<OfferingKind, Wrong> {
    Ok(OfferingKind {
        type_: object.required_text("type")?,
        fulfillmenttype: object.text("fulfillmenttype"),
        vendor: object.text("vendor"),
        region: object.text("region"),
        isaccountrequired: object.flag("isaccountrequired"),
        other: object.rest()?,
    })
}

fn offering_parameters(mut object: Object) -> Result<OfferingParameters, Wrong> {
    let new = object.object("setproductasnew")?;
    Ok(OfferingParameters {
        sku: object.required_text("sku")?,
        name: object.required_text("name")?,
        description: object.text("description"),
        shortdescription: object.text("shortdescription"),
        category: object.text("category"),
        setproductasnew: new.map(new_between).transpose()?,
        metatitle: object.text("metatitle"),
        metakeywords: object.text("metakeywords"),
        metadescription: object.text("metadescription"),
        saasurl: object.text("saasurl"),
        faqurl: object.text("faqurl"),
        // Texts in the sample, and numbers for many.
        minpurchasequantity: object.required_text("minpurchasequantity").ok(),
        maxpurchasequantity: object.required_text("maxpurchasequantity").ok(),
        autorenew: object.flag("autorenew"),
        plantype: object.text("plantype"),
        isenabled: object.flag("isenabled"),
        other: object.rest()?,
    })
}

fn new_between(mut object: Object) -> Result<NewBetween, Wrong> {
    Ok(NewBetween {
        fromdate: object.text("fromdate"),
        todate: object.text("todate"),
        other: object.rest()?,
    })
}

fn charge(mut object: Object) -> Result<Charge, Wrong> {
    let chargeid = object.required_text("chargeid")?;
    let mut term = object.required_object("subscriptionserviceterm")?;
    let mut price_of =
        |key: &str| -> Result<Option<Price>, Wrong> { term.object(key)?.map(price).transpose() };
    let (costprice, sellprice) = (price_of("costprice")?, price_of("sellprice")?);
    let erpprice = price_of("erpprice")?;
    Ok(Charge {
        chargename: object.text_or("chargename", &chargeid),
        chargeid,
        description: object.text("description"),
        subscriptionserviceterm: ServiceTerm {
            costprice,
            sellprice,
            erpprice,
            other: term.rest()?,
        },
        other: object.rest()?,
    })
}

fn price(mut object: Object) -> Result<Price, Wrong> {
    let tiers = object.list("tierpricing")?.unwrap_or_default();
    Ok(Price {
        billingperiodfrequency: object.whole("billingperiodfrequency").unwrap_or_else(|| {
            object.take("billingperiodfrequency");
            1
        }),
        billingperiodunit: object.required_text("billingperiodunit")?,
        chargetype: object.required_text("chargetype")?,
        tierpricing: tiers
            .into_iter()
            .zip(1..)
            .map(|(object, number)| tier(object, number))
            .collect::<Result<_, _>>()?,
        other: object.rest()?,
    })
}

fn tier(mut object: Object, number: u32) -> Result<Tier, Wrong> {
    let mut flag = |key: &str, otherwise| {
        object.flag(key).unwrap_or_else(|| {
            object.take(key);
            otherwise
        })
    };
    let (isdefault, isenabled) = (flag("isdefault", number == 1), flag("isenabled", true));
    let sequencenumber = object.whole("sequencenumber").unwrap_or_else(|| {
        object.take("sequencenumber");
        number
    });
    let endingvalue = object.decimal("endingvalue");
    if endingvalue.is_none() && object.take("endingvalue").is_some_and(|json| json != "\"\"") {
        // Money hangs on it: to take it for "without end" would be to guess.
        return Err(object.wrong("endingvalue", "a number or null"));
    }
    Ok(Tier {
        sequencenumber,
        startingvalue: object.required_decimal("startingvalue")?,
        endingvalue,
        chargeamount: object.required_decimal("chargeamount")?,
        chargeamountunit: object.required_text("chargeamountunit")?,
        currencycode: object.required_text("currencycode")?,
        isdefault,
        isenabled,
        other: object.rest()?,
    })
}
