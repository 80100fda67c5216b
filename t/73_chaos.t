#!/usr/bin/perl

# A few cells of the matrix that `make chaos` goes through as a whole: a fault
# in a phase of a move, which must end at one owner that serves, with nothing
# lost and the reason told.

use warnings;
use strict;

use Test::More;

use ShardTest::Chaos;

my @cells = map { { verb => 'move', driver => 'http',
                    strategy => 'log-shipping', %$_ } } (
    { phase => 'final-sync', fault => 'kill' },
    { phase => 'drain', fault => 'source-killed' },
    { phase => 'verify', fault => 'target-killed' },
    { phase => 'hold', fault => 'redis-killed' },
    { phase => 'hold', fault => 'router-killed' },
    { phase => 'copy', fault => 'disk-full' },
    { phase => 'catch-up', fault => 'target-500' },
    { phase => 'commit', fault => 'reload' },
    { phase => 'consume', fault => 'kill', strategy => 'queue' },
    { phase => 'warm-up', fault => 'kill', strategy => 'stateless',
      driver => 'none' },
    { phase => 'fill', fault => 'target-killed', strategy => 'copy-on-write' },
    { phase => 'final-sync', fault => 'kill', verb => 'split' },
    { phase => 'verify', fault => 'kill', verb => 'merge' },
    { phase => 'final-sync', fault => 'source-store-killed',
      driver => 'postgres' },
    { phase => 'copy', fault => 'kill', verb => 'split', driver => 'postgres' },
    { phase => 'drain', fault => 'target-slow', verb => 'split',
      driver => 'postgres' },
    { phase => 'rolling-back', fault => 'target-store-killed',
      driver => 'redis' },
);

for my $cell (@cells) {
    my $got = ShardTest::Chaos::cell(%$cell);
    my $name = ShardTest::Chaos::Cells::kind($cell)
               . ", $cell->{fault} in $cell->{phase}";

    is(join('; ', @{ $got->{bad} }), '', "$name: ends well")
        or diag("logs are in $got->{dir}");
    note("$got->{end}, $got->{seconds} s, $got->{failed} of "
         . ($got->{requests} || 0) . " requests failed; "
         . ($got->{why} || ''));
}

done_testing();
