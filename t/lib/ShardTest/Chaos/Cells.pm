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
my @copy = qw/ copy catch-up /;
my @hold = qw/ hold drain final-sync verify /;
my @end = qw/ commit release standby rolling-back /;

my %way = (
    'move log-shipping' => [ @begin, @copy, qw/ warm-up shift /, @hold, @end ],
    'move copy-on-write' => [ @begin, qw/ warm-up freeze settle switch fill /,
                              @hold, @end ],
    'move queue' => [ @begin, @copy, qw/ warm-up consume /, @hold, @end ],
    'move stateless' => [ @begin, qw/ warm-up shift commit standby
                                      rolling-back / ],
    'split log-shipping' => [ @begin, @copy, @hold, @end ],
    'merge log-shipping' => [ @begin, @copy, @hold, @end ],
    'split queue' => [ @begin, @copy, 'consume', @hold, @end ],
    'merge queue' => [ @begin, @copy, 'consume', @hold, @end ],
);

my %drivers = (
    'move log-shipping' => [ qw/ http postgres redis / ],
    'move copy-on-write' => [ 'http' ],
    'move queue' => [ qw/ http postgres redis / ],
    'move stateless' => [ 'none' ],
    'split log-shipping' => [ qw/ http postgres redis / ],
    'merge log-shipping' => [ qw/ http postgres redis / ],
    'split queue' => [ 'http' ],
    'merge queue' => [ 'http' ],
);

# what a kind shares with another is left out of the matrix, unless "full":
# a queue goes its own way from consume on, a merge begins as a split does, and
# what begins a split or merge knows no driver

my @shares = (
    [ qr/ queue\// => @begin, @copy, qw/ warm-up standby / ],
    [ qr/^(split|merge) queue/ => qw/ hold drain commit release / ],
    [ qr/^merge / => @begin ],
    [ qr/^split .*(postgres|redis)/ => @begin ],
);

our @phases = (@begin, qw/ copy catch-up warm-up shift consume freeze settle
                           switch fill /, @hold, @end);

my ($faketime) = glob '/usr/lib/*/faketime/libfaketimeMT.so.1';


sub faketime { return $faketime }


# a split or merge that is of one node: the shards are n1's before and after

sub inside {
    my ($cell) = @_;

    return $cell->{verb} ne 'move' && $cell->{driver} eq 'postgres';
}


sub has_fault {
    my ($cell, $fault) = @_;

    return 0 if inside($cell) && $fault =~ /^target-.*killed/;
    return $cell->{driver} =~ /^(postgres|redis)$/ if $fault =~ /-store-/;
    return $cell->{driver} ne 'none' if $fault eq 'disk-full';
    return $faketime if $fault =~ /^clock/;
    return 1;
}


sub is_shared {
    my ($cell, $phase) = @_;

    my $kind = kind($cell);

    for my $shares (@shares) {
        my ($like, @phases) = @$shares;
        return 1 if $kind =~ $like && grep { $_ eq $phase } @phases;
    }

    return 0;
}


# "verbs", "strategies", "drivers", "phases", "faults": those wanted, or all;
# "full": with those that kinds share

sub all {
    my (%want) = @_;

    my @cells;
    my %phase = map { $_ => 1 } @{ $want{phases} || \@phases };

    for my $verb (@{ $want{verbs} || \@verbs }) {
        for my $strategy (@{ $want{strategies} || \@strategies }) {
            for my $driver (@{ $want{drivers} || \@drivers }) {
                my %kind = (verb => $verb, strategy => $strategy,
                            driver => $driver);

                push @cells, cells_of(\%kind, \%phase, %want)
                    if grep { $_ eq $driver }
                            @{ $drivers{"$verb $strategy"} || [] };
            }
        }
    }

    return @cells;
}


sub cells_of {
    my ($kind, $phase, %want) = @_;

    my @way = grep { $phase->{$_}
                     && ($want{full} || !is_shared($kind, $_)) }
              @{ $way{"$kind->{verb} $kind->{strategy}"} };
    my @all;

    for my $fault (grep { has_fault($kind, $_) } @{ $want{faults} || \@faults })
    {
        push @all, map { { %$kind, phase => $_, fault => $fault } } @way;
    }

    return @all;
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
           . "CHAOS_DRIVERS=$cell->{driver} CHAOS_FULL=1";
}


1;
