#!/usr/bin/perl

# docs/cutover.pml under spin: no counterexample within the bounds, and one
# for each mutant of the protocol.  SHARD_MODEL=full takes larger bounds, for
# an hour or so.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw/ tempdir /;
use POSIX ();
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest ();


my $model = ShardTest::top() . '/docs/cutover.pml';
my $full = ($ENV{SHARD_MODEL} || '') eq 'full';

plan(skip_all => 'no spin here') if !grep { -x "$_/spin" } split /:/,
                                                               $ENV{PATH};

my $dir = tempdir(CLEANUP => 1);


# bounds that together take every kind of fault; "most" is bitstate hashing

my $late = 'MOVES=1 CLAIMS=2 FAULTS=1 WRITES=1 CUTS=0 DEATHS=0';
my $again = 'MOVES=2 CLAIMS=2 FAULTS=1 WRITES=1 CUTS=0 DEATHS=0';
my $rogue = 'MOVES=1 CLAIMS=1 FAULTS=0 WRITES=1 CUTS=1 DEATHS=0';

my @good = (
    [ 'a message late, a claim taken over', $late ],
    [ 'two writes, a worker dies, a router is cut off',
      'MOVES=1 CLAIMS=1 FAULTS=0 WRITES=2 CUTS=1 DEATHS=1' ],
    [ 'a claim taken over, a router is cut off',
      'MOVES=1 CLAIMS=2 FAULTS=0 WRITES=1 CUTS=1 DEATHS=0' ],
    [ 'there and back, a router is cut off',
      'MOVES=2 CLAIMS=2 FAULTS=0 WRITES=1 CUTS=1 DEATHS=0' ],
);

push @good, [ 'there and back, a message late', $again ],
            [ 'late, taken over, cut off',
              'MOVES=1 CLAIMS=2 FAULTS=1 WRITES=1 CUTS=1 DEATHS=0' ]
    if $full;

my $most = 'MOVES=2 CLAIMS=3 FAULTS=1 WRITES=2 CUTS=1 DEATHS=1';

my @mutants = (
    [ 'position before the drain', $late, 'POSITION_BEFORE_DRAIN' ],
    [ 'rollback without abandonment', $late, 'NO_ABANDON' ],
    [ 'abandonment of a commit only', $late, 'ABANDON_COMMIT_ONLY' ],
    [ 'abandoned under another id, writes without a version', $late,
      'ABANDON_OTHER_ID', 'NO_VERSION' ],
    [ 'unsealed with the old epoch', $again, 'UNSEAL_OLD_EPOCH' ],
    [ 'target not raised before the commit', $again, 'TARGET_NOT_RAISED' ],
    [ 'roles go back within an epoch', $again, 'ROLES_GO_BACK' ],
    [ 'source not sealed', $rogue, 'NO_SEAL' ],
);

# an acknowledged write is lost in the end, with these two

push @mutants, [ 'sealed with its own epoch', $again =~ s/CUTS=0/CUTS=1/r,
                 'SEAL_OWN_EPOCH', 'ROLES_GO_BACK', 'LOSS_ONLY' ] if $full;


# "pan" of these bounds; undef when it cannot be made

my $made = 0;

sub make_pan {
    my ($bounds, $how, @mutants) = @_;

    my $at = "$dir/" . ++$made;
    my @defines = ((map { "-D$_" } split / /, $bounds),
                   map { /^LOSS/ ? "-D$_" : "-DMUTANT_$_" } @mutants);

    mkdir($at);

    my $out = `cd $at && spin @defines -a $model 2>&1 && gcc -w -DSAFETY $how -o pan pan.c 2>&1`;

    diag($out) if $?;
    return $? ? undef : $at;
}


# what pan says, as a hash; it is stopped after so many seconds

sub run_pan {
    my ($at, $seconds, @options) = @_;

    my $pid = fork();
    die "cannot fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        chdir($at);
        open(STDOUT, '>', 'out');
        open(STDERR, '>&', \*STDOUT);
        { exec('timeout', '-s', 'INT', $seconds, './pan', '-m200000',
               @options) }
        POSIX::_exit(127);
    }

    waitpid($pid, 0);

    my $text = ShardTest::slurp("$at/out");
    my %said = (text => $text);

    ($said{depth}, $said{errors}) = $text =~ /depth reached (\d+), errors: (\d+)/;
    ($said{states}) = $text =~ /^\s*(\S+) states, stored/m;
    $said{whole} = $text !~ /Search not completed|max search depth|Interrupted/;
    ($said{why}) = $text =~ /^pan:\d*:? ?(.*)$/m;

    return \%said;
}


sub told {
    my ($said) = @_;

    return "$said->{states} states, depth $said->{depth}, "
           . ($said->{whole} ? 'all of them within these bounds'
                             : 'NOT all of them');
}


for (@good) {
    my ($name, $bounds) = @$_;

    my $at = make_pan($bounds, ($full ? '-O2' : '-O0') . ' -DCOLLAPSE');
    my $said = $at ? run_pan($at, 3600) : {};

    is($said->{errors}, 0, "$name: nothing lost, one owner")
        or diag($said->{text});
    ok($said->{whole}, "$name: exhaustive") or diag($said->{text});
    note("$bounds: " . told($said)) if defined $said->{states};
}


for (@mutants) {
    my ($name, $bounds, @mutants) = @$_;

    my $at = make_pan($bounds, $mutants[-1] eq 'LOSS_ONLY'
                               ? '-O2 -DBITSTATE' : '-O0 -DCOLLAPSE',
                      @mutants);
    my $said = $at ? run_pan($at, 3600, $mutants[-1] eq 'LOSS_ONLY'
                                        ? '-w32' : ()) : {};

    is($said->{errors}, 1, "mutant, $name: refuted") or diag($said->{text});
    note("$said->{why}, " . told($said)) if defined $said->{states};
}


# everything at once: as far as it comes in the time there is

my $at = make_pan($most, ($full ? '-O2' : '-O0') . ' -DBITSTATE');
my $said = $at ? run_pan($at, $full ? 1800 : 10, $full ? '-w34' : '-w28', '-k2')
               : {};

is($said->{errors} || 0, 0, 'all faults at once: no counterexample')
    or diag($said->{text});
note("$most, bitstate, stopped by time: "
     . (defined $said->{states} ? told($said) : 'stopped'));

done_testing();
