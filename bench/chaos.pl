#!/usr/bin/perl

# The matrix phase x fault x strategy x driver, one cell after the other; each
# must end at one owner that serves, with nothing lost and a log that says why.
#
#     make chaos CHAOS_PHASES=hold,commit CHAOS_FAULTS=kill,stop
#     CHAOS_STRATEGIES=... CHAOS_DRIVERS=... CHAOS_STOP_S=10
#
# The cells go to build/chaos.json; status 1 when one of them is bad.

use warnings;
use strict;

use JSON::PP;
use Time::HiRes qw/ time /;

use ShardTest ();
use ShardTest::Chaos;


sub chosen {
    my ($env, @all) = @_;

    return @all if !$ENV{$env};

    my %known = map { $_ => 1 } @all;
    my @chosen = split /[ ,]+/, $ENV{$env};

    for my $name (grep { !$known{$_} } @chosen) {
        die "$env: \"$name\" is none of @all\n";
    }

    return @chosen;
}


my @phases = chosen('CHAOS_PHASES', @ShardTest::Chaos::phases);
my @faults = chosen('CHAOS_FAULTS', @ShardTest::Chaos::faults);
my @strategies = chosen('CHAOS_STRATEGIES', @ShardTest::Chaos::strategies);
my @drivers = chosen('CHAOS_DRIVERS', @ShardTest::Chaos::drivers);

my (@todo, @cells);

for my $strategy (@strategies) {
    for my $driver (@drivers) {
        for my $fault (@faults) {
            push @todo, map { { phase => $_, fault => $fault, strategy =>
                                $strategy, driver => $driver } } @phases;
        }
    }
}

@todo = grep { !ShardTest::Chaos::unfit(%$_) } @todo;
die "no cell is chosen\n" if !@todo;

my $began = time();
$| = 1;

print_line('phase', 'fault', 'strategy/driver', 'end', 's', 'failed', 'left',
           'why');

for my $cell (@todo) {
    my $got = ShardTest::Chaos::cell(%$cell);

    push @cells, { %$got };

    my $left = (time() - $began) / @cells * (@todo - @cells);

    print_line(@$cell{qw/ phase fault /}, "$cell->{strategy}/$cell->{driver}",
               $got->{ok} ? $got->{end} : 'BAD', sprintf('%.0f',
               $got->{seconds}), $got->{failed},
               sprintf('%d:%02d', $left / 60, $left % 60),
               $got->{ok} ? $got->{why} || ''
                          : join('; ', @{ $got->{bad} }) . " ($got->{dir})");
    ShardTest::spew(ShardTest::top() . '/build/chaos.json',
                    JSON::PP->new()->canonical()->pretty()->encode(\@cells));
}

matrix();

my $bad = grep { !$_->{ok} } @cells;

printf "%d cells in %d:%02d, %d bad\n", scalar @cells,
    (time() - $began) / 60, (time() - $began) % 60, $bad;
exit($bad ? 1 : 0);


sub print_line {
    printf "%-11s %-14s %-18s %-12s %4s %6s %6s  %.300s\n", @_;
}


# T target-owned, S source-owned, B bad, . no such cell

sub matrix {
    my %at = map { ("$_->{strategy}/$_->{driver} $_->{fault} $_->{phase}" =>
                    !$_->{ok} ? 'B' : $_->{end} eq 'done' ? 'T' : 'S') } @cells;
    my %pairs = map { ("$_->{strategy}/$_->{driver}" => 1) } @cells;

    for my $pair (sort keys %pairs) {
        printf "\n%-16s", $pair;
        printf ' %-5.5s', $_ for @phases;
        print "\n";

        for my $fault (@faults) {
            printf '%-16s', $fault;
            printf ' %-5s', $at{"$pair $fault $_"} || '.' for @phases;
            print "\n";
        }
    }

    print "\nT ends at the target, S at the source, B bad, . no such cell\n\n";
}
