#!/usr/bin/perl
# The Z39.50 server: Simple2ZOOM (Debian: libnet-z3950-simple2zoom-perl), which searches by SRU. In its version 1.04 a
# client may name a database `cfg:address=HOST`, and the server connects to that host; this server knows only the databases
# of its configuration.
#   usage: server.pl CONFIGURATION [YAZ-OPTION…] tcp:@:210
use strict;
use warnings;
use Net::Z3950::Simple2ZOOM;

die "usage: $0 CONFIGURATION [YAZ-OPTION...] ADDRESS\n" if @ARGV < 2;
{
    no warnings 'redefine';
    # 235: the database does not exist (Bib-1).
    *Net::Z3950::Simple2ZOOM::_extract_config = sub { Net::Z3950::Simple2ZOOM::_throw(235, $_[1]) };
}
my $configuration = shift @ARGV;
Net::Z3950::Simple2ZOOM->new($configuration)->launch_server("rangkiang-z3950", @ARGV);
