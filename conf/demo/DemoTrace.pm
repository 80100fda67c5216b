package DemoTrace;

# A fleet's load: "epoch,shard,shard,...", 5-min steps, 28 days.  Read from a
# file, or made by a seeded generator of the same shape.
#
# Capacity of a node and first placement of the shards:
#   capacity   99.9 % quantile of the judged week's total (from day 22 on),
#              over nodes x 0.85
#   placement  shards by descending mean of days 1 - 21, each on the node that
#              carries least so far

use warnings;
use strict;

use List::Util qw/ sum max /;

use constant {
    STEP => 300, DAY => 288, HISTORY => 21, DAYS => 28, PEAK => 0.85,
    SHARDS_MAX => 1000,
};


sub read_file {
    my ($class, $path) = @_;

    open(my $f, '<', $path) or die "demo: trace $path: $!\n";

    my $line = readline($f);
    die "$path:1: a line \"epoch,shard,shard,...\" was expected\n"
        if !defined $line || $line !~ /^epoch,\S/;

    chomp $line;
    my (undef, @names) = split /,/, $line, -1;
    die "$path:1: " . @names . " shards, at most " . SHARDS_MAX
        . " are possible\n" if @names > SHARDS_MAX;

    my (@epoch, @load);

    while (defined($line = readline($f))) {
        my $where = "$path:$.";

        $line =~ s/\s+$//;
        next if $line eq '';

        my ($epoch, @row) = split /,/, $line, -1;
        die "$where: " . @row . " values, " . @names . " were expected\n"
            if @row != @names;

        for my $cell ($epoch, @row) {
            die "$where: \"$cell\" is not a number of 0 or more\n"
                if $cell !~ /^\d+(\.\d*)?([eE][-+]?\d+)?$/;
        }

        die "$where: epoch $epoch is not " . STEP . " s after the one before\n"
            if @epoch && $epoch != $epoch[-1] + STEP;

        push @epoch, $epoch;
        push @load, [ map { $_ + 0 } @row ];
    }

    die "$path: " . @load . " steps, " . (HISTORY + 1) * DAY . " (22 days of 5 "
        . "min) at least are needed\n" if @load < (HISTORY + 1) * DAY;

    return bless { name => $path, names => \@names, epoch => \@epoch,
                   load => \@load }, $class;
}


# Zipf means, daily rhythms around two peaks (two parts of the world), weekends
# of their own, a slowly wandering level and noise.

sub generate {
    my ($class, $seed, $shards) = @_;

    $shards ||= 57;
    srand($seed);

    my @weight = map { 1 / ($_ + 1) ** 0.8 } 0 .. $shards - 1;
    my $sum = sum(@weight);
    my @kind = map { {
        mean    => 1000 * $weight[$_] / $sum,
        depth   => 0.6 + 0.5 * rand(),
        peak    => (rand() < 0.6 ? 14 : 21) + 4 * (rand() - 0.5),
        weekend => 0.55 + 0.6 * rand(),
        sharp   => 1 + 3 * rand(),
        level   => 0,
    } } 0 .. $shards - 1;

    my $start = 1704067200;                     # a Monday
    my (@epoch, @load);

    for my $t (0 .. DAYS * DAY - 1) {
        my $hour = $t % DAY / 12;
        my $weekday = int($t / DAY) % 7;

        push @epoch, $start + $t * STEP;
        push @load, [ map { generate_value($_, $hour, $weekday) } @kind ];
    }

    return bless { name => "generated (seed $seed)", epoch => \@epoch,
                   load => \@load, names => [ map { "g$_" } 0 .. $shards - 1 ]
                 }, $class;
}


sub generate_value {
    my ($kind, $hour, $weekday) = @_;

    my $angle = ($hour - $kind->{peak}) / 24 * 2 * 3.14159265358979;
    my $wave = ((1 + cos($angle)) / 2) ** $kind->{sharp};
    my $mean = 1 / (1 + $kind->{sharp});        # of the wave, roughly
    my $week = $weekday >= 5 ? $kind->{weekend} : 1;

    $kind->{level} = 0.99 * $kind->{level} + 0.005 * (rand() + rand() - 1);

    my $value = $kind->{mean} * $week * (1 + $kind->{level})
                * (1 + $kind->{depth} * 2 * ($wave - $mean))
                * (1 + 0.06 * (rand() + rand() - 1));

    return $value > 0 ? $value : 0;
}


sub shards { return scalar @{ $_[0]->{names} } }
sub days { return int(@{ $_[0]->{load} } / DAY) }


# capacity of one of so many nodes, and the node of each shard

sub place {
    my ($self, $nodes) = @_;

    my $first = HISTORY * DAY;
    my $load = $self->{load};
    my @total = sort { $a <=> $b } map { sum(@$_) } @$load[$first .. $#$load];

    my $at = 0.999 * $#total;
    my $low = int($at);
    my $high = $low < $#total ? $low + 1 : $low;
    my $quantile = $total[$low] + ($at - $low) * ($total[$high] - $total[$low]);

    $self->{nodes} = $nodes;
    $self->{capacity} = $quantile / ($nodes * PEAK);

    my @mean = map {
        my $j = $_;
        sum(map { $_->[$j] } @$load[0 .. $first - 1]) / $first
    } 0 .. $self->shards() - 1;

    my @used = (0) x $nodes;

    for my $j (sort { $mean[$b] <=> $mean[$a] || $a <=> $b } 0 .. $#mean) {
        my ($least) = sort { $used[$a] <=> $used[$b] || $a <=> $b }
                      0 .. $nodes - 1;
        $self->{owner}[$j] = $least;
        $used[$least] += $mean[$j];
    }
}


# seconds of nodes above capacity in a day (from 1), were nothing moved

sub overload {
    my ($self, $day) = @_;

    my $seconds = 0;

    for my $t (($day - 1) * DAY .. $day * DAY - 1) {
        my @load = (0) x $self->{nodes};

        $load[ $self->{owner}[$_] ] += $self->{load}[$t][$_]
            for 0 .. $self->shards() - 1;
        $seconds += STEP * grep { $_ > $self->{capacity} } @load;
    }

    return $seconds;
}


# the day after the history that has most of it

sub worst_day {
    my ($self) = @_;

    my %seconds = map { $_ => $self->overload($_) } HISTORY + 1 .. $self->days();
    my ($day) = sort { $seconds{$b} <=> $seconds{$a} || $a <=> $b }
                keys %seconds;

    die "demo: trace $self->{name}: no node is overloaded on any day after "
        . "day " . HISTORY . ", so there is nothing to see\n"
        if !$seconds{$day};

    return ($day, $seconds{$day});
}


# highest total of a day

sub peak {
    my ($self, $day) = @_;

    return max(map { sum(@$_) }
               @{ $self->{load} }[($day - 1) * DAY .. $day * DAY - 1]);
}


sub day_epoch { return $_[0]->{epoch}[($_[1] - 1) * DAY] }


# All before "day", scaled, in the format it was read in, as routers would have
# counted it: whole requests in a step of "step_ms".  Smooth history would
# teach the models to take the noise of small counts for news.

sub write_history {
    my ($self, $path, $day, $scale, $step_ms) = @_;

    my $seconds = $step_ms / 1000;

    open(my $f, '>', $path) or die "demo: $path: $!\n";
    print $f join(',', 'epoch', @{ $self->{names} }), "\n";

    for my $t (0 .. ($day - 1) * DAY - 1) {
        print $f join(',', $self->{epoch}[$t],
                      map { sprintf '%.4g', int($_ * $scale * $seconds + rand())
                                            / $seconds }
                          @{ $self->{load}[$t] }), "\n";
    }

    close($f) or die "demo: $path: $!\n";
}


# the day, with "lead" steps before it, for shardload

sub write_schedule {
    my ($self, $path, $day, $lead, $scale, $step_ms) = @_;

    my $first = ($day - 1) * DAY - $lead;

    open(my $f, '>', $path) or die "demo: $path: $!\n";
    print $f join(',', 'start_ms', 0 .. $self->shards() - 1), "\n";

    for my $t ($first .. $day * DAY - 1) {
        print $f join(',', ($t - $first) * $step_ms,
                      map { sprintf '%.4f', $_ * $scale }
                          @{ $self->{load}[$t] }), "\n";
    }

    close($f) or die "demo: $path: $!\n";
}


1;
