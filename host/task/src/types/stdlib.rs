//! The aliases that are always there: those of Puppet's stdlib module, of Puppet itself and of Bolt.
//!
//! The meanings are stdlib's, the expressions our own. Nothing is parsed before its name is used. Stdlib has no
//! `Stdlib::Compat::Re`, though it has a file of that name.

use std::sync::OnceLock;

use super::DataType;

/// A number from 0 to 255, without leading zeros.
macro_rules! octet {
    () => {
        r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
    };
}
macro_rules! v4 {
    () => {
        concat!(octet!(), r"(\.", octet!(), r"){3}")
    };
}
/// The groups of an IPv6 address in each place where `::` can stand.
macro_rules! v6_compressed {
    () => {
        concat!(
            r"(:(:\h{1,4}){1,7}|(\h{1,4}:)(:\h{1,4}){1,6}|(\h{1,4}:){2}(:\h{1,4}){1,5}|(\h{1,4}:){3}(:\h{1,4}){1,4}|",
            r"(\h{1,4}:){4}(:\h{1,4}){1,3}|(\h{1,4}:){5}(:\h{1,4}){1,2}|(\h{1,4}:){6}:\h{1,4}|(\h{1,4}:){1,7}:|::)"
        )
    };
}
macro_rules! v6_with_v4 {
    () => {
        concat!(
            r"((\h{1,4}:){6}|:(:\h{1,4}){0,5}:|(\h{1,4}:)(:\h{1,4}){0,4}:|(\h{1,4}:){2}(:\h{1,4}){0,3}:|",
            r"(\h{1,4}:){3}(:\h{1,4}){0,2}:|(\h{1,4}:){4}(:\h{1,4})?:|(\h{1,4}:){5}:)", v4!()
        )
    };
}
/// A prefix length from 0 to 128.
macro_rules! prefix {
    () => {
        r"\/(12[0-8]|1[01]\d|[1-9]?\d)"
    };
}
/// A time field of cron: a number, a list, ranges, steps.
macro_rules! cron {
    ($range:literal, $unit:literal, $step:literal) => {
        concat!(
            "Variant[Integer[", $range, "], ", cron!(@ $unit, $step),
            ", Array[Variant[Integer[", $range, "], ", cron!(@ $unit, $step), "], 1]]"
        )
    };
    (@ $unit:literal, $step:literal) => {
        concat!(
            r"Pattern[/\A(?i:(\*|", $unit, ")(-", $unit, r")?(\/", $step, r")?(,(\*|", $unit, ")(-", $unit,
            r")?(\/", $step, r")?)*)\z/]"
        )
    };
}
/// A whole number without leading zeros, as a text.
macro_rules! whole {
    () => {
        r"-?(0|[1-9]\d*)"
    };
}
macro_rules! exponent {
    () => {
        r"([eE]-?\d+)?"
    };
}
/// A number or the text of one, or a list of them.
macro_rules! one_or_list {
    ($number:literal, $text:expr) => {
        concat!(
            "Variant[",
            $number,
            ", ",
            $text,
            ", Array[Variant[",
            $number,
            ", ",
            $text,
            "]]]"
        )
    };
}
/// What stands in a PEM file between the lines of one kind.
macro_rules! pem {
    ($kind:literal) => {
        concat!(
            r"Pattern[/\A-{5}BEGIN ",
            $kind,
            r"-{5}\n([A-Za-z0-9\/+]+={,2}\n?)+-{5}END ",
            $kind,
            r"-{5}\n?\z/]"
        )
    };
}

struct Definition {
    name: &'static str,
    text: &'static str,
    parsed: OnceLock<Option<DataType>>,
}

const fn alias(name: &'static str, text: &'static str) -> Definition {
    Definition {
        name,
        text,
        parsed: OnceLock::new(),
    }
}

/// The meaning of a built-in alias; case does not matter.
pub(super) fn find(name: &str) -> Option<&'static DataType> {
    let definition = DEFINITIONS
        .iter()
        .find(|definition| definition.name.eq_ignore_ascii_case(name))?;
    definition
        .parsed
        .get_or_init(|| definition.text.parse().ok())
        .as_ref()
}

/// Every name and its definition.
#[cfg(test)]
pub(super) fn definitions() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEFINITIONS
        .iter()
        .map(|definition| (definition.name, definition.text))
}

static DEFINITIONS: [Definition; 89] = [
    alias("RichDataKey", "Variant[String, Numeric]"),
    alias("Puppet::LookupKey", "RichDataKey"),
    alias(
        "Puppet::LookupValue",
        "Variant[Scalar, Undef, Sensitive, Array[Puppet::LookupValue], Hash[Puppet::LookupKey, Puppet::LookupValue]]",
    ),
    alias("TargetSpec", "Boltlib::TargetSpec"),
    alias(
        "Boltlib::TargetSpec",
        "Variant[String[1], Target, Array[Boltlib::TargetSpec]]",
    ),
    alias("PlanResult", "Boltlib::PlanResult"),
    alias(
        "Boltlib::PlanResult",
        "Variant[Boolean, Numeric, String, Undef, Error, Result, ApplyResult, ResultSet, Target, ResourceInstance, ContainerResult, Future, Array[Boltlib::PlanResult], Hash[String, Boltlib::PlanResult]]",
    ),
    alias(
        "Stdlib::Absolutepath",
        "Variant[Stdlib::Windowspath, Stdlib::Unixpath]",
    ),
    alias(
        "Stdlib::Base32",
        r"Pattern[/\A([a-z2-7]+|[A-Z2-7]+)={,6}\z/]",
    ),
    alias("Stdlib::Base64", r"Pattern[/\A[A-Za-z0-9\/+]+={,2}\z/]"),
    alias(
        "Stdlib::Compat::Absolute_path",
        r"Variant[Stdlib::Windowspath, Pattern[/\A\/[^\n\0]*\z/]]",
    ),
    alias("Stdlib::Compat::Array", "Array[Any]"),
    alias("Stdlib::Compat::Bool", "Boolean"),
    alias(
        "Stdlib::Compat::Float",
        concat!(
            "Variant[Float, Pattern[/\\A",
            whole!(),
            r"\.\d+",
            exponent!(),
            r"\z/]]"
        ),
    ),
    alias("Stdlib::Compat::Hash", "Hash[Any, Any]"),
    alias(
        "Stdlib::Compat::Integer",
        one_or_list!("Integer", concat!("Pattern[/\\A", whole!(), r"\z/]")),
    ),
    alias(
        "Stdlib::Compat::Ip_address",
        "Variant[Stdlib::Compat::Ipv4, Stdlib::Compat::Ipv6]",
    ),
    alias(
        "Stdlib::Compat::Ipv4",
        concat!(r"Pattern[/\A", v4!(), r"(\/(\d+|", v4!(), r"))?\z/]"),
    ),
    alias("Stdlib::Compat::Ipv6", "Stdlib::IP::Address::V6"),
    alias(
        "Stdlib::Compat::Numeric",
        one_or_list!(
            "Numeric",
            concat!("Pattern[/\\A", whole!(), r"(\.\d+)?", exponent!(), r"\z/]")
        ),
    ),
    alias("Stdlib::Compat::String", "Optional[String]"),
    alias(
        "Stdlib::CreateResources",
        "Hash[String[1], Hash[String[1], Any]]",
    ),
    alias(
        "Stdlib::Cron::Hour",
        cron!("0, 23", r"(1?\d|2[0-3])", r"([1-9]|1\d|2[0-4])"),
    ),
    alias(
        "Stdlib::Cron::Minute",
        cron!("0, 59", r"[1-5]?\d", r"([1-9]|[1-5]\d|60)"),
    ),
    alias(
        "Stdlib::Cron::Month",
        cron!(
            "1, 12",
            "([1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
            "([1-9]|1[0-2])"
        ),
    ),
    alias(
        "Stdlib::Cron::Monthday",
        cron!("1, 31", r"([1-9]|[12]\d|3[01])", r"([1-9]|[12]\d|3[01])"),
    ),
    alias(
        "Stdlib::Cron::Weekday",
        cron!(
            "0, 7",
            "([0-7]|mon|tue|wed|thu|fri|sat|sun)",
            "([0-7]|mon|tue|wed|thu|fri|sat|sun)"
        ),
    ),
    alias("Stdlib::Datasize", r"Pattern[/\A\d+(?i:[kmgt]b?|b)\z/]"),
    alias(
        "Stdlib::Dns::Zone",
        r"Pattern[/\A(([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+|\.)\z/]",
    ),
    alias(
        "Stdlib::Email",
        r"Pattern[/\A[\w.!#$%&'*+\/=?^`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\z/]",
    ),
    alias(
        "Stdlib::Ensure::File",
        "Enum['present', 'file', 'directory', 'link', 'absent']",
    ),
    alias(
        "Stdlib::Ensure::File::Directory",
        "Enum['directory', 'absent']",
    ),
    alias("Stdlib::Ensure::File::File", "Enum['file', 'absent']"),
    alias("Stdlib::Ensure::File::Link", "Enum['link', 'absent']"),
    alias(
        "Stdlib::Ensure::Package",
        "Variant[Enum['present', 'absent', 'purged', 'disabled', 'installed', 'latest'], String[1]]",
    ),
    alias(
        "Stdlib::Ensure::PackageVersion",
        "Variant[Stdlib::Ensure::Package, SemVer, String[1]]",
    ),
    alias("Stdlib::Ensure::Service", "Enum['stopped', 'running']"),
    alias(
        "Stdlib::File::Content",
        "Variant[String, Sensitive[String], Deferred, Binary]",
    ),
    alias("Stdlib::File::Mode", "Stdlib::Filemode"),
    alias("Stdlib::File::Source", "Stdlib::Filesource"),
    alias(
        "Stdlib::Filemode",
        r"Pattern[/\A([0-7]{1,4}|([ugoa]*([-+=]([rwxXst]*|[ugo]))+|[-+=][0-7]+)(,([ugoa]*([-+=]([rwxXst]*|[ugo]))+|[-+=][0-7]+))*)\z/]",
    ),
    alias(
        "Stdlib::Filesource",
        r"Variant[Stdlib::Absolutepath, Stdlib::HTTPUrl, Pattern[/\Afile:\/{3}([^\n\/\0]+\/?)+\z/, /\Apuppet:\/\/([\w-]+\.?)*\/([^\n\/\0]+\/?)+\z/]]",
    ),
    alias(
        "Stdlib::Fqdn",
        r"Pattern[/\A([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\z/]",
    ),
    alias("Stdlib::Dns::Fqdn", "Stdlib::Fqdn"),
    alias("Stdlib::HTTPSUrl", r"Pattern[/\A(?i:https):\/\/.*\z/]"),
    alias("Stdlib::HTTPUrl", r"Pattern[/\A(?i:https?):\/\/.*\z/]"),
    alias("Stdlib::Host", "Variant[Stdlib::Fqdn, Stdlib::IP::Address]"),
    alias(
        "Stdlib::Http::Method",
        "Enum['ACL', 'BASELINE-CONTROL', 'BIND', 'CHECKIN', 'CHECKOUT', 'CONNECT', 'COPY', 'DELETE', 'GET', 'HEAD', 'LABEL', 'LINK', 'LOCK', 'MERGE', 'MKACTIVITY', 'MKCALENDAR', 'MKCOL', 'MKREDIRECTREF', 'MKWORKSPACE', 'MOVE', 'OPTIONS', 'ORDERPATCH', 'PATCH', 'POST', 'PRI', 'PROPFIND', 'PROPPATCH', 'PUT', 'REBIND', 'REPORT', 'SEARCH', 'TRACE', 'UNBIND', 'UNCHECKOUT', 'UNLINK', 'UNLOCK', 'UPDATE', 'UPDATEREDIRECTREF', 'VERSION-CONTROL']",
    ),
    alias("Stdlib::Http::Status", "Integer[100, 599]"),
    alias("Stdlib::HttpStatus", "Stdlib::Http::Status"),
    alias(
        "Stdlib::IP::Address",
        "Variant[Stdlib::IP::Address::V4, Stdlib::IP::Address::V6]",
    ),
    alias(
        "Stdlib::IP::Address::CIDR",
        "Variant[Stdlib::IP::Address::V4::CIDR, Stdlib::IP::Address::V6::CIDR]",
    ),
    alias(
        "Stdlib::IP::Address::Nosubnet",
        "Variant[Stdlib::IP::Address::V4::Nosubnet, Stdlib::IP::Address::V6::Nosubnet]",
    ),
    alias(
        "Stdlib::IP::Address::V4",
        "Variant[Stdlib::IP::Address::V4::CIDR, Stdlib::IP::Address::V4::Nosubnet]",
    ),
    alias(
        "Stdlib::IP::Address::V4::CIDR",
        concat!(r"Pattern[/\A", v4!(), r"\/(3[0-2]|[12]?\d)\z/]"),
    ),
    alias(
        "Stdlib::IP::Address::V4::Nosubnet",
        concat!(r"Pattern[/\A", v4!(), r"\z/]"),
    ),
    alias(
        "Stdlib::IP::Address::V6",
        "Variant[Stdlib::IP::Address::V6::Full, Stdlib::IP::Address::V6::Compressed, Stdlib::IP::Address::V6::Alternative]",
    ),
    alias(
        "Stdlib::IP::Address::V6::Alternative",
        concat!(r"Pattern[/\A", v6_with_v4!(), "(", prefix!(), r")?\z/]"),
    ),
    alias(
        "Stdlib::IP::Address::V6::CIDR",
        concat!(
            r"Pattern[/\A((\h{1,4}:){7}\h{1,4}|",
            v6_compressed!(),
            "|",
            v6_with_v4!(),
            ")",
            prefix!(),
            r"\z/]"
        ),
    ),
    alias(
        "Stdlib::IP::Address::V6::Compressed",
        concat!(r"Pattern[/\A", v6_compressed!(), "(", prefix!(), r")?\z/]"),
    ),
    alias(
        "Stdlib::IP::Address::V6::Full",
        concat!(r"Pattern[/\A(\h{1,4}:){7}\h{1,4}(", prefix!(), r")?\z/]"),
    ),
    alias(
        "Stdlib::IP::Address::V6::Nosubnet",
        "Variant[Stdlib::IP::Address::V6::Nosubnet::Full, Stdlib::IP::Address::V6::Nosubnet::Compressed, Stdlib::IP::Address::V6::Nosubnet::Alternative]",
    ),
    alias(
        "Stdlib::IP::Address::V6::Nosubnet::Alternative",
        concat!(r"Pattern[/\A", v6_with_v4!(), r"\z/]"),
    ),
    alias(
        "Stdlib::IP::Address::V6::Nosubnet::Compressed",
        concat!(r"Pattern[/\A", v6_compressed!(), r"\z/]"),
    ),
    alias(
        "Stdlib::IP::Address::V6::Nosubnet::Full",
        r"Pattern[/\A(\h{1,4}:){7}\h{1,4}\z/]",
    ),
    alias(
        "Stdlib::MAC",
        r"Pattern[/\A(\h{2}[:-]){5}\h{2}\z/, /\A(\h{2}[:-]){19}\h{2}\z/]",
    ),
    alias(
        "Stdlib::ObjectStore",
        "Variant[Stdlib::ObjectStore::GSUri, Stdlib::ObjectStore::S3Uri]",
    ),
    alias("Stdlib::ObjectStore::GSUri", r"Pattern[/\Ags:\/\/.*\z/]"),
    alias("Stdlib::ObjectStore::S3Uri", r"Pattern[/\As3:\/\/.*\z/]"),
    alias("Stdlib::Port", "Integer[0, 65535]"),
    alias("Stdlib::Port::Dynamic", "Integer[49152, 65535]"),
    alias("Stdlib::Port::Ephemeral", "Stdlib::Port::Dynamic"),
    alias("Stdlib::Port::Privileged", "Integer[1, 1023]"),
    alias("Stdlib::Port::Registered", "Stdlib::Port::User"),
    alias("Stdlib::Port::Unprivileged", "Integer[1024, 65535]"),
    alias("Stdlib::Port::User", "Integer[1024, 49151]"),
    alias("Stdlib::PrivilegedPort", "Stdlib::Port::Privileged"),
    alias("Stdlib::UnprivilegedPort", "Stdlib::Port::Unprivileged"),
    alias(
        "Stdlib::Syslogfacility",
        "Enum['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp', 'ntp', 'security', 'console', 'solaris-cron', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7']",
    ),
    alias("Stdlib::Unixpath", r"Pattern[/\A\/([^\/\n\0][^\n\0]*)?\z/]"),
    alias(
        "Stdlib::Windowspath",
        r"Pattern[/\A([A-Za-z]:[\/\\]|[\/\\]{2}([^\/\\]+[\/\\][^\/\\]+|\?[\/\\][^\/\\]+)).*\z/]",
    ),
    alias(
        "Stdlib::X509::Pem",
        "Variant[Stdlib::X509::Pem::Certificate, Stdlib::X509::Pem::Request, Stdlib::X509::Pem::CRL, Stdlib::X509::Pem::Pkey]",
    ),
    alias("Stdlib::X509::Pem::CRL", pem!("X509 CRL")),
    alias("Stdlib::X509::Pem::Certificate", pem!("CERTIFICATE")),
    alias(
        "Stdlib::X509::Pem::Pkey",
        "Variant[Stdlib::X509::Pem::Pkey::Private, Stdlib::X509::Pem::Pkey::Public]",
    ),
    alias(
        "Stdlib::X509::Pem::Pkey::Private",
        pem!("(RSA |EC |DSA |ENCRYPTED )?PRIVATE KEY"),
    ),
    alias(
        "Stdlib::X509::Pem::Pkey::Public",
        pem!("(RSA |EC |DSA )?PUBLIC KEY"),
    ),
    alias(
        "Stdlib::X509::Pem::Request",
        pem!("(NEW )?CERTIFICATE REQUEST"),
    ),
    alias("Stdlib::Yes_no", r"Pattern[/\A(?i:yes|no)\z/]"),
];
