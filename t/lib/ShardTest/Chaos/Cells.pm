package ShardTest::Chaos::Cells;

# Which cells the matrix phase x fault x strategy x driver has: the kinds of
# migrations, each with the phases it goes through, and the faults.
#
#     my @cells = ShardTest::Chaos::Cells::all(phases => [ 'hold' ]);
#     # { verb, strategy, driver, phase, fault }
#
# A kind is "move log-shipping/http": verb, strategy, driver.

use warnings;
use strict;


our @faults = qw/ kill stop source-killed target-killed source-store-killed
                  target-store-killed redis-killed router-killed reload
                  disk-full target-500 target-slow clock-ahead clock-back /;

our @verbs = qw/ move split merge /;
our @strategies = qw/ log-shipping copy-on-write queue stateless /;
our @drivers = qw/ http postgres redis none /;

# migrator/phases.c has the ways; rolling-back is come to by a hook that fails
# when the source is sealed

my @begin = qw/ planned claimed check /;
my @hold = qw/ hold drain final-sync verify /;
my @end = qw/ commit release standby rolling-back /;

my %way = (
    'move log-shipping' => [ @begin, qw/ copy catch-up warm-up shift /, @hold,
                             @end ],
    'move copy-on-write' => [ @begin, qw/ warm-up freeze settle switch fill /,
                              @hold, @end ],
    'move queue' => [ @begin, qw/ copy catch-up warm-up consume /, @hold,
                      @end ],
    'move stateless' => [ @begin, qw/ warm-up shift commit standby
                                      rolling-back / ],
    'split log-shipping' => [ @begin, qw/ copy catch-up /, @hold, @end ],
    'merge log-shipping' => [ @begin, qw/ copy catch-up /, @hold, @end ],
);

my %drivers = (
    'move log-shipping' => [ qw/ http postgres redis / ],
    'move copy-on-write' => [ 'http' ],
    'move queue' => [ qw/ http postgres redis / ],
    'move stateless' => [ 'none' ],
    'split log-shipping' => [ 'http' ],
    'merge log-shipping' => [ 'http' ],
);

our @phases = (@begin, qw/ copy catch-up warm-up shift consume freeze settle
                           switch fill /, @hold, @end);

my ($faketime) = glob '/usr/lib/*/faketime/libfaketimeMT.so.1';


sub faketime { return $faketime }


sub has_fault {
    my ($driver, $fault) = @_;

    return $driver =~ /^(postgres|redis)$/ if $fault =~ /-store-/;
    return $driver ne 'none' if $fault eq 'disk-full';
    return $faketime if $fault =~ /^clock/;
    return 1;
}


# "verbs", "strategies", "drivers", "phases", "faults": those wanted, or all

sub all {
    my (%want) = @_;

    my @cells;
    my %phase = map { $_ => 1 } @{ $want{phases} || \@phases };

    for my $verb (@{ $want{verbs} || \@verbs }) {
        for my $strategy (@{ $want{strategies} || \@strategies }) {
            for my $driver (@{ $want{drivers} || \@drivers }) {
                my $kind = "$verb $strategy";

                next if !grep { $_ eq $driver } @{ $drivers{$kind} || [] };

                for my $fault (grep { has_fault($driver, $_) }
                               @{ $want{faults} || \@faults })
                {
                    push @cells, map { { verb => $verb, phase => $_,
                                         strategy => $strategy,
                                         driver => $driver,
                                         fault => $fault } }
                                 grep { $phase{$_} } @{ $way{$kind} };
                }
            }
        }
    }

    return @cells;
}


sub kind {
    my ($cell) = @_;
    return "$cell->{verb} $cell->{strategy}/$cell->{driver}";
}


# how to run that one cell again

sub again {
    my ($cell) = @_;

    return "make chaos CHAOS_PHASES=$cell->{phase} CHAOS_FAULTS=$cell->{fault} "
           . "CHAOS_VERBS=$cell->{verb} CHAOS_STRATEGIES=$cell->{strategy} "
           . "CHAOS_DRIVERS=$cell->{driver}";
}


1;
