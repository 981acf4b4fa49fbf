#!/usr/bin/perl
# The Z39.50 server: Simple2ZOOM (Debian: libnet-z3950-simple2zoom-perl), which searches by SRU. Of its version 1.04 this
# program replaces
#   - databases named by clients: with `cfg:address=HOST` the server would connect to any host
#   - the translation of queries to CQL: it writes quotation marks and masks of terms as they are, ignores structures, and
#     knows no proximity
#   - records: it has no OPAC syntax, which YAZ makes from XML (retrievalinfo of the configuration)
#   - sorting: it writes modifiers that SRU refuses, and no set can be sorted twice
# The user and password of a client are sent on to SRU; for a client without them, those in SRU_USER and SRU_PASSWORD.
# SRU refuses them on plain http from another machine, so they are refused here in the answer to Init.
#   usage: server.pl CONFIGURATION
use strict;
use warnings;
use Net::Z3950::Simple2ZOOM;

die "usage: $0 CONFIGURATION\n" if @ARGV != 1;

*_throw = \&Net::Z3950::Simple2ZOOM::_throw;
my $BIB1 = '1.2.840.10003.3.1';
my %RELATIONS = (1 => '<', 2 => '<=', 3 => '=', 4 => '>=', 5 => '>', 6 => '<>', 101 => '=/stem', 102 => '=/relevant');
my %PROXIMITY = (1 => '<', 2 => '<=', 3 => '=');
my ($WORD, $WORD_LIST, $FREE_TEXT, $DOCUMENT_TEXT) = (2, 6, 105, 106);
my %IS_STRUCTURE = map { $_ => 1 } 1 .. 6, 100 .. 102, 105 .. 109;

# Return the CQL of a term with its attributes (Bib-1): the index, relation, and the term in quotation marks.
sub term_to_cql {
    my ($self, $args, $default_set) = @_;
    my %value = (3 => 3, 4 => 0, 5 => 100, 6 => 1);
    my $attributes = $self->{attributes};
    untie $attributes;
    for my $attribute (@{ $attributes || [] }) {
        my ($set, $type) = ($attribute->{attributeSet} // $default_set, $attribute->{attributeType});
        _throw(121, $set) if $set ne $BIB1;
        _throw(113, $type) if $type !~ /^[1-6]$/;
        $value{$type} = $attribute->{attributeValue};
    }
    my $database = $args->{GHANDLE}{cfg}{database}{ $args->{DATABASES}[0] };
    my $index = defined $value{1} ? Net::Z3950::Simple2ZOOM::_ap2index($database, $value{1}) : 'cql.serverChoice';
    my $relation = $RELATIONS{ $value{2} || 3 } or _throw(117, $value{2});
    my ($position, $structure, $truncation, $completeness) = @value{3 .. 6};
    _throw(119, $position) if $position !~ /^[123]$/;
    _throw(118, $structure) if $structure && !$IS_STRUCTURE{$structure};
    _throw(122, $completeness) if $completeness !~ /^[123]$/;
    _throw(120, $truncation) if $truncation !~ /^(?:[123]|10[014])$/;
    my $term = $self->{term};
    return qq[$index = "] . quoted($term) . '"' if exists $args->{STEP};    # a scan begins at the term as it is
    if ($truncation == 101) {
        $term = join '?', map { quoted($_) } split /#/, $term, -1;
    } elsif ($truncation == 104) {
        $term = join '', map { /^#$/ ? '?' : /^\?/ ? '*' : quoted($_) } split /(#|\?\d?)/, $term;
    } else {
        $term = quoted($term);
    }
    $term = "*$term" if $truncation == 2 || $truncation == 3;
    $term = "$term*" if $truncation == 1 || $truncation == 3;
    my $is_whole = $completeness > 1;
    $term = "^$term" if $position < 3 || $is_whole;
    $term = "$term^" if $is_whole;
    my $is_words = grep { $structure == $_ } $WORD, $WORD_LIST, $FREE_TEXT, $DOCUMENT_TEXT;
    $relation =~ s/^=/all/ if $is_words && $term !~ /\^/;
    return qq[$index $relation "$term"];
}

# Escape what has a meaning in a term of CQL.
sub quoted {
    my ($text) = @_;
    $text =~ s/([\\"*?^])/\\$1/g;
    return $text;
}

sub proximity_to_cql {
    my ($self, @more) = @_;
    my $attributes = $self->[2];
    my $relation = $PROXIMITY{ $attributes->{relationType} } or _throw(131, $attributes->{relationType});
    my $unit = $attributes->{known};
    _throw(132, $unit) if !defined $unit || $unit != 2;    # words
    _throw(201, 'exclusion') if $attributes->{exclusion};
    my ($left, $right) = map { $_->_toCQL(@more) } @$self[0, 1];
    my $order = $attributes->{ordered} ? 'ordered' : 'unordered';
    return "($left prox/unit=word/distance$relation$attributes->{distance}/$order $right)";
}

# The records of a present are requested in parts by the fetches, which know their schema, and which end when the answer
# is full. YAZ makes their syntax.
my $MOST_LOADED = 50;
sub present {
    my ($args) = @_;
    my $set = $args->{HANDLE}{resultsets}{ $args->{SETNAME} } or _throw(30, $args->{SETNAME});
    _throw(13) if $args->{START} + $args->{NUMBER} - 1 > $set->{hits};
    @$set{qw(loaded last)} = ($args->{START} - 1, $args->{START} + $args->{NUMBER} - 1);
}

sub fetch {
    my ($args) = @_;
    my $set = $args->{HANDLE}{resultsets}{ $args->{SETNAME} } or _throw(30, $args->{SETNAME});
    my $records = $set->{resultset};
    $records->option(schema => $args->{COMP});
    if (defined $set->{last} && $args->{OFFSET} > $set->{loaded} && $args->{OFFSET} <= $set->{last}) {
        my $left = $set->{last} - $args->{OFFSET} + 1;
        my $number = $left < $MOST_LOADED ? $left : $MOST_LOADED;
        $records->cache_reset();
        $records->records($args->{OFFSET} - 1, $number, 0);
        $records->{conn}->_check();
        $set->{loaded} = $args->{OFFSET} + $number - 1;
    }
    my $record = $records->record($args->{OFFSET} - 1) or _throw(13, $args->{OFFSET});
    my ($number, $message, $details, $diagnostics) = $record->error();
    $args->{SUR_FLAG} = 1;    # what follows is about this record alone
    _throw($number, $details, $diagnostics) if $number;
    $args->{RECORD} = $record->get('xml');
}

sub sort_keys {
    my ($database, $sequence) = @_;
    return join ' ', map {
        my $key = $_;
        my ($use) = map { $_->{ATTR_VALUE} } grep { $_->{ATTR_TYPE} == 1 } @{ $key->{SORT_ATTR} || [] };
        _throw(237, 'a use attribute is missing') if !defined $use;
        Net::Z3950::Simple2ZOOM::_ap2index($database, $use) . ($key->{RELATION} ? '/sort.descending' : '');
    } @$sequence;
}

my $NO_PASSWORDS = 'no user and password here, because this server reaches the catalogue by http; connect without them';

# Return whether SRU takes passwords at this address: https, or http within this machine.
sub takes_passwords {
    my ($address) = @_;
    return $address =~ m{^(?:https:|http://(?:localhost|127[.0-9]+|\[::1\])(?:[:/]|$))};
}

# Bib-1 diagnostics in place of those to which YAZ translates numbers of SRU: 22 relation, 88 and 90 sort keys, 120
# position in a scan.
my %DIAGNOSTICS = (22 => 123, 88 => 207, 90 => 207, 120 => 233);
my $MOST_SCANNED = 50;
my $scanned = \&Net::Z3950::Simple2ZOOM::_real_scan_handler;
my $translated = \&Net::Z3950::SimpleServer::yaz_diag_srw_to_bib1;
my $searched = \&Net::Z3950::Simple2ZOOM::_do_search;
{
    no warnings 'redefine';
    *Net::Z3950::SimpleServer::yaz_diag_srw_to_bib1 = sub { $DIAGNOSTICS{ $_[0] } // $translated->(@_) };
    # A set that was sorted can be sorted again, or be a part of a query: its query is kept without the keys.
    *Net::Z3950::Simple2ZOOM::_do_search = sub {
        my $set = $searched->(@_);
        $set->{qtext} =~ s/ sortby [^"]*$//;
        return $set;
    };
    *Net::Z3950::RPN::RSID::_throw = \&_throw;    # without it an unknown set ends the connection
    my $init = \&Net::Z3950::Simple2ZOOM::_real_init_handler;
    *Net::Z3950::Simple2ZOOM::_real_init_handler = sub {
        $init->(@_);
        my ($database) = values %{ $_[0]{GHANDLE}{cfg}{database} };
        my $session = $_[0]{HANDLE};
        _throw(1014, $NO_PASSWORDS) if $session->{username} ne '' && !takes_passwords($database->{zurl});
        @$session{qw(username password)} = @ENV{qw(SRU_USER SRU_PASSWORD)} if $session->{username} eq '';
    };
    # 235: the database does not exist (Bib-1).
    *Net::Z3950::Simple2ZOOM::_extract_config = sub { _throw(235, $_[1]) };
    *Net::Z3950::Simple2ZOOM::_real_present_handler = \&present;
    *Net::Z3950::Simple2ZOOM::_real_fetch_handler = \&fetch;
    *Net::Z3950::Simple2ZOOM::_real_scan_handler = sub {
        my ($args) = @_;
        _throw(205) if $args->{STEP};
        $args->{NUMBER} = $MOST_SCANNED if $args->{NUMBER} > $MOST_SCANNED;
        $scanned->($args);
    };
    *Net::Z3950::Simple2ZOOM::_cql_sortspec = \&sort_keys;
    *Net::Z3950::RPN::Term::_toCQL = \&term_to_cql;
    *Net::Z3950::RPN::Prox::_toCQL = \&proximity_to_cql;
}
# The configuration is for both: Simple2ZOOM reads its databases, and YAZ its listener and syntaxes.
# The log has no queries.
$Net::Z3950::Simple2ZOOM::TIME = 0;
$SIG{__WARN__} = sub { print STDERR $_[0] if $_[0] !~ /^(?:search|scan|sort|Requesting)\b/ };
my $server = Net::Z3950::Simple2ZOOM->new($ARGV[0]);
die "Z3950_CLIENT_ID needs https, or http within this machine, as the address of SRU\n"
    if ($ENV{SRU_USER} // '') ne '' && grep { !takes_passwords($_->{zurl}) } values %{ $server->{cfg}{database} };
$server->launch_server('rangkiang-z3950', '-v', 'none,fatal,warn', '-f', $ARGV[0]);
