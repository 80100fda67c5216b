#!/usr/bin/perl

# The matrix phase x fault x strategy x driver, several cells at a time, each
# in a world of its own; each must end at one owner that serves, with nothing
# lost and a log that says why.
#
#     make chaos CHAOS_PHASES=hold,commit CHAOS_FAULTS=kill,stop
#     CHAOS_VERBS=... CHAOS_STRATEGIES=... CHAOS_DRIVERS=... CHAOS_JOBS=6
#     CHAOS_STOP_S=10 (a stopped migrator sleeps) CHAOS_SHARE=1/3 (the first
#     third of all cells, in turn) CHAOS_FULL=1 (phases that kinds share, too)
#
#              ┌─ slot 0: ports of its own ─▶ cell ─▶ its file of JSON ─┐
#   cells in ──┼─ slot 1                                                ├─▶ lines,
#   one queue  └─ ...                                                   ┘   matrix
#
# The cells go to build/chaos.json; status 1 when one of them is bad.  A bad
# cell's folder of logs stays.  Worlds are in /dev/shm when that has room: a
# cell waits for what its servers write to disk, and all cells have one disk.

use warnings;
use strict;

use File::Spec ();
use File::Temp ();
use JSON::PP;
use POSIX ();
use Time::HiRes qw/ sleep time /;

use ShardTest ();
use ShardTest::Chaos;
use ShardTest::Postgres;

my $cell_s = 300;               # longer than any cell may take
my @ports = (10000, 29999);     # divided among the slots

my $shm_mb = 4000;             # for all the slots

my $jobs = $ENV{CHAOS_JOBS} || 3 * cores();
my $self = $$;
my $file = ShardTest::top() . '/build/chaos.json';

my @todo = todo();
my $results = File::Temp->newdir('chaos.XXXXXX', DIR => ShardTest::top()
                                                        . '/build');
my (@cells, %slot);

$| = 1;

# one folder for all of them, which goes with this process

my $worlds = File::Temp->newdir('shard-chaos.XXXXXX',
                 DIR => has_room('/dev/shm', $shm_mb) ? '/dev/shm'
                                                      : File::Spec->tmpdir());
chmod 0755, $worlds;
$ENV{TMPDIR} = $ENV{CHAOS_DIR} = "$worlds";

$ShardTest::Postgres::template = ShardTest::Postgres->make_template()
    if grep { $_->{driver} eq 'postgres' } @todo;

my $began = time();
my $total = @todo;

print_line('done', 'kind', 'phase', 'fault', 'end', 's', 'failed', 'left',
           'why');

while (@todo || %slot) {
    for my $n (grep { !$slot{$_} } 0 .. $jobs - 1) {
        $slot{$n} = begin($n, shift @todo) if @todo;
    }

    my @ended = grep { has_ended($slot{$_}) } keys %slot;

    told(delete $slot{$_}) for @ended;
    sleep(0.05) if !@ended;
}

matrix();

my @bad = grep { !$_->{ok} } @cells;

printf "%d cells in %s, %d at a time, %.0f s of CPU, %d bad\n",
    scalar @cells, clock(time() - $began), $jobs,
    (times())[2] + (times())[3], scalar @bad;
print "\n$_->{kind}, $_->{fault} in $_->{phase}: ", join('; ', @{ $_->{bad} }),
      "\n    logs: ", $_->{dir} // 'none', "\n    again: $_->{again}\n"
    for @bad;
exit(@bad ? 1 : 0);


END {
    my $status = $?;

    if ($$ == $self) {
        kill('TERM', map { $_->{pid} } values %slot);
        waitpid($_->{pid}, 0) for values %slot;
    }

    $? = $status;
}


# a cell waits most of the time, for what it has killed to come back

sub cores { return `nproc` =~ /^(\d+)/ ? $1 : 2 }


sub has_room {
    my ($dir, $mb) = @_;

    return -w $dir && `df -Pm $dir` =~ /^\S+ +\d+ +\d+ +(\d+) /m && $1 >= $mb;
}


sub todo {
    my %want;

    for my $what (qw/ phases faults verbs strategies drivers /) {
        no strict 'refs';
        my $env = $ENV{ 'CHAOS_' . uc $what } || next;
        my @known = @{"ShardTest::Chaos::Cells::$what"};
        my @chosen = split /[ ,]+/, $env;

        for my $name (@chosen) {
            grep { $_ eq $name } @known
                or die "CHAOS_\U$what\E: \"$name\" is none of @known\n";
        }

        $want{$what} = \@chosen;
    }

    my @all = ShardTest::Chaos::Cells::all(%want, full => $ENV{CHAOS_FULL});
    my ($part, $parts) = ($ENV{CHAOS_SHARE} || '1/1') =~ m|^(\d+)/(\d+)$|
        or die "CHAOS_SHARE: \"$ENV{CHAOS_SHARE}\" is not like 1/3\n";

    @all = @all[grep { $_ % $parts == $part - 1 } 0 .. $#all];
    die "no cell is chosen\n" if !@all;

    return @all;
}


# a cell in a process of its own, with random numbers and ports of its own

sub begin {
    my ($n, $cell) = @_;

    my $result = "$results/$cell->{verb}.$cell->{strategy}.$cell->{driver}."
                 . "$cell->{phase}.$cell->{fault}";
    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        my $width = int(($ports[1] - $ports[0] + 1) / $jobs);

        %slot = ();
        $worlds->unlink_on_destroy(0);
        $results->unlink_on_destroy(0);
        srand($$ ^ time());
        @ShardTest::ports = ($ports[0] + $n * $width,
                             $ports[0] + ($n + 1) * $width - 1);
        ShardTest::spew($result,
                        encode_json(ShardTest::Chaos::cell(%$cell)));
        exit 0;
    }

    return { pid => $pid, cell => $cell, result => $result, at => time() };
}


sub has_ended {
    my ($slot) = @_;

    return 1 if waitpid($slot->{pid}, POSIX::WNOHANG()) == $slot->{pid};

    if (time() - $slot->{at} > $cell_s) {
        kill($slot->{asked}++ ? 'KILL' : 'TERM', $slot->{pid});
        $slot->{at} = time() - $cell_s + 20;
    }

    return 0;
}


sub told {
    my ($slot) = @_;

    my $cell = $slot->{cell};
    my $got = eval { decode_json(ShardTest::slurp($slot->{result})) }
              || { ok => 0, end => 'none', seconds => time() - $slot->{at},
                   failed => 0, bad => [ 'its process ended without a word' ] };

    $got = { %$cell, %$got, kind => ShardTest::Chaos::Cells::kind($cell),
             again => ShardTest::Chaos::Cells::again($cell) };
    push @cells, $got;

    my $spent = time() - $began;

    print_line(@cells . "/$total", @$got{qw/ kind phase fault /},
               $got->{ok} ? $got->{end} : 'BAD',
               sprintf('%.0f', $got->{seconds}), $got->{failed},
               clock($spent / @cells * ($total - @cells)),
               $got->{ok} ? $got->{why} || ''
                          : join('; ', @{ $got->{bad} }));
    printf "# %.1f cells a minute, %d bad\n", @cells / $spent * 60,
        scalar grep { !$_->{ok} } @cells if @cells % 50 == 0;

    ShardTest::spew($file, JSON::PP->new()->canonical()->pretty()
                                   ->encode(\@cells))
        if @cells % 20 == 0 || @cells == $total || !$got->{ok};
}


sub clock { return sprintf '%d:%02d', $_[0] / 60, $_[0] % 60 }


sub print_line {
    printf "%-9s %-26s %-12s %-19s %-11s %4s %6s %6s  %.300s\n", @_;
}


# T target-owned, S source-owned, B bad, . no such cell

sub matrix {
    my %at = map { ("$_->{kind} $_->{fault} $_->{phase}" =>
                    !$_->{ok} ? 'B' : $_->{end} eq 'done' ? 'T' : 'S') } @cells;
    my %kinds = map { ($_->{kind} => 1) } @cells;

    for my $kind (sort keys %kinds) {
        my @faults = grep { my $f = $_; grep { /^\Q$kind $f \E/ } keys %at }
                     @ShardTest::Chaos::Cells::faults;
        my @heads = map { s/-killed$//r =~ s/-store$/-st/r =~ s/^clock/clk/r }
                    @faults;

        printf "\n%s\n%-13s@{[ ' %s' x @heads ]}\n", $kind, '', @heads;

        for my $phase (@ShardTest::Chaos::Cells::phases) {
            my @has = map { $at{"$kind $_ $phase"} || '.' } @faults;

            next if !grep { $_ ne '.' } @has;
            printf '%-13s', $phase;
            printf ' %-*s', length $heads[$_], $has[$_] for 0 .. $#has;
            print "\n";
        }
    }

    print "\nT ends at the target, S at the source, B bad, . no such cell\n\n";
}
