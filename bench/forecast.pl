#!/usr/bin/perl

# make bench-forecast: how good forecasts are, of the combination and of each
# model alone, on every series; on a subset of the origins against R's
# forecast package and Prophet (bench/forecast.R); and what a large fleet
# costs (bench/forecast_fleet.c).  Prints a table, leaves
# build/bench/forecast.json.

use strict;
use warnings;

use File::Basename qw(basename);
use File::Path qw(make_path remove_tree);
use FindBin;
use JSON::PP;
use List::Util qw(max min);
use Time::HiRes qw(time);

use constant {
    PI => 3.14159265358979,
    LIMIT => 25,                # CPU seconds of one forecast of a rival
    MINUTES => 15,              # of all, about
    FLEET_MINUTES => 4,         # kept for the fleet
};

my $top = "$FindBin::Bin/..";
my $build = "$top/build/bench";
my $work = "$build/forecast";
my $program = "$top/build/shard-predictor";
my $traces = $ENV{TRACES} || "$top/../shared/traces";
my $minutes = $ENV{BENCH_MINUTES} || MINUTES;
my $began = time();

if (@ARGV) {
    my $help = $ARGV[0] eq '--help';
    print { $help ? *STDOUT : *STDERR }
        "usage: make bench-forecast [TRACES=folder] [BENCH_MINUTES=15] [SHARDS=10000]\n"
        . "prints how good forecasts are; build/bench/forecast.json\n";
    exit($help ? 0 : 2);
}

$| = 1;
chdir $top or die "$top: $!\n";
remove_tree($work);
make_path("$work/rows", "$work/subset", "$work/rivals");

my ($source, @files) = series();
my %report = (source => $source, cores => cores(), began => int(time()));

progress(sprintf 'part 1 of 4: %d series (%s), every model', scalar @files,
         $source);
$report{all} = backtest('--models', 'all', '--csv', "$work/rows", @files);

progress('part 2 of 4: R forecast and Prophet, if they can be had');
my ($tasks, @ours) = subset($report{all});
$report{rivals} = rivals($tasks);
begun_only($ours[0]);

progress('part 3 of 4: all of them at the same origins');
$report{subset} = backtest('--models', 'all', '--only', $ours[0],
                           (map { ('--also', "$work/rivals/$_.csv") }
                            grep { $report{rivals}{$_}{made} }
                            sort keys %{ $report{rivals} }), @files);

progress('part 4 of 4: a large fleet');
$report{fleet} = fleet();
$report{seconds} = time() - $began;

open(my $out, '>', "$build/forecast.json") or die "forecast.json: $!\n";
print $out JSON::PP->new->canonical->pretty->encode(\%report);
close $out or die "forecast.json: $!\n";

print_report(\%report);
printf "\n  build/bench/forecast.json, %.1f min\n", $report{seconds} / 60;
exit(0);

###############################################################################


sub progress {
    printf STDERR "bench: %s [%.0f s]\n", $_[0], time() - $began;
}


sub cores {
    my $n = `nproc`;
    return $n + 0;
}


# what they are, and the files

sub series {
    if (-r "$traces/MANIFEST.csv") {
        open(my $in, '<', "$traces/MANIFEST.csv") or die "MANIFEST.csv: $!\n";
        my @name = map { /^([^,]+\.csv),/ ? $1 : () } <$in>;
        return ('real traces', map { "$traces/$_" } sort @name);
    }

    my @found = sort glob("$traces/*.csv");
    return ("files of $traces", @found) if @found;

    progress("no $traces: on series made up here, which say less");
    return ('made up', made_up());
}


# rhythms of a day and a week with what spoils them; the same ones every time

sub made_up {
    my @files;
    srand(20261126);
    mkdir "$work/series";

    for my $i (0 .. 11) {
        my $step = (300, 1800, 3600)[$i % 3];
        my $day = 86400 / $step;
        my $size = 10 ** (0.5 + rand 3);
        my ($level, $walk, $text) = (1, 0, '');

        for my $t (0 .. 35 * $day - 1) {
            $walk = 0.98 * $walk + 0.03 * (rand() + rand() - 1);
            $level *= 2.5 if $i == 7 && $t == int(24 * $day);
            my $y = (1.15 - cos(2 * PI * ($t / $day - 0.1 * $i)))
                    * (int($t / $day) % 7 > 4 ? 0.6 : 1) * $level
                    * exp($walk) * (1 + 0.1 * (rand() + rand() - 1));
            $y += 6 * $size if $i == 4 && rand() < 0.002;
            $y = 0 if $i == 9 && $t % $day < $day / 4;
            $text .= sprintf "%d,%s\n", 1704067200 + $t * $step,
                     $i == 10 && rand() < 0.02 ? '' : sprintf '%.5g',
                     $y * $size;
        }

        push @files, sprintf '%s/series/made_%02d_%ds.csv', $work, $i, $step;
        open(my $out, '>', $files[-1]) or die "$files[-1]: $!\n";
        print $out $text;
        close $out;
    }

    return @files;
}


sub backtest {
    my (@args) = @_;

    open(my $in, '-|', $program, 'backtest', '--json', @args)
        or die "$program: $!\n";
    local $/;
    my $text = <$in>;
    close $in;
    die "bench: $program backtest failed\n" if $? || !defined $text;

    return decode_json($text);
}


# two origins of every third series, as tasks for R and as rows for --only

sub subset {
    my ($all) = @_;

    my ($tasks, $only) = ("$work/tasks.csv", "$work/subset.csv");
    open(my $t, '>', $tasks) or die "$tasks: $!\n";
    open(my $o, '>', $only) or die "$only: $!\n";
    print $t "series,origin,interval,day,week,horizon,file\n";
    print $o "series,origin,seconds,h,mean,q0.05,q0.1,q0.5,q0.9,q0.95\n";

    my @file = sort { $a->{series} cmp $b->{series} } @{ $all->{files} };

    for my $i (grep { $_ % 3 == 1 } 0 .. $#file) {
        my $f = $file[$i];
        my @origin = @{ $f->{origins} };
        my ($day, $week) = (@{ $f->{seasons} }, 0);

        for my $origin (@origin[int(@origin / 4), int(@origin * 3 / 4)]) {
            my $n = min($origin, $f->{history});
            my $path = "$work/subset/$f->{series}.$origin.csv";
            printf $t "%s,%d,%d,%d,%d,%d,%s\n", $f->{series}, $origin,
                   $f->{interval_s}, $day, $n >= 2 * $week ? $week : 0,
                   $f->{horizon}, $path;
            printf $o "%s,%d,0,1,0,0,0,0,0,0\n", $f->{series}, $origin;
            history($f, $origin, $n, $path);
        }
    }

    close $t or die "$tasks: $!\n";
    close $o or die "$only: $!\n";

    return ($tasks, $only);
}


sub history {
    my ($file, $origin, $n, $path) = @_;

    open(my $in, '<', $file->{file}) or die "$file->{file}: $!\n";
    my @line = map { s/\s+\z//r } grep { /^\d/ } <$in>;
    my ($start) = $line[0] =~ /^(\d+)/;
    my %value = map { split /,/, $_, 2 } @line;

    open(my $out, '>', $path) or die "$path: $!\n";

    for my $i ($origin - $n .. $origin - 1) {
        my $epoch = $start + $i * $file->{interval_s};
        my $value = $value{$epoch} // '';
        printf $out "%d,%s\n", $epoch, length $value ? $value : 'NA';
    }

    close $out or die "$path: $!\n";
}


# what R made of the tasks, by method; nothing where R cannot be had

sub rivals {
    my ($tasks) = @_;

    my $check = "library(forecast); library(prophet)";

    if (system("Rscript -e '$check' >/dev/null 2>&1")) {
        progress('installing R forecast and Prophet from Debian '
                 . '(packages.bench, about 145 MB): two minutes or more');

        if (system("PACKAGES=packages.bench sh ./setup.sh >$work/setup.log 2>&1")
            || system("Rscript -e '$check' >/dev/null 2>&1"))
        {
            progress('they cannot be had here, so they are left out; why: '
                     . "build/bench/forecast/setup.log");
            return {};
        }
    }

    my $left = $minutes * 60 - (time() - $began) - FLEET_MINUTES * 60;
    $left = max(60, min($left, 9 * 60));
    progress(sprintf 'R has %.1f min, a forecast %d s of CPU', $left / 60,
             LIMIT);

    local $ENV{BENCH_TERMINAL} = -t STDERR ? 1 : '';
    local $ENV{OPENBLAS_NUM_THREADS} = 1;
    local $ENV{TZ} = 'UTC';
    my @lines = `Rscript --vanilla bench/forecast.R $tasks $work/rivals @{[LIMIT]} $left`;
    die "bench: bench/forecast.R failed\n" if $?;

    return { map { chomp; my ($name, @n) = split /,/;
                   $name => { made => $n[0] + 0, late => $n[1] + 0,
                              failed => $n[2] + 0, not_begun => $n[3] + 0 } }
             @lines };
}


# when the time was over: the subset is what a rival has forecast of it

sub begun_only {
    my ($only) = @_;

    my %begun;

    for my $path (glob "$work/rivals/*.csv") {
        open(my $in, '<', $path) or die "$path: $!\n";
        /^([^,]+,\d+),/ && $begun{$1}++ while <$in>;
    }

    return if !%begun;

    open(my $in, '<', $only) or die "$only: $!\n";
    my ($head, @line) = <$in>;
    @line = grep { /^([^,]+,\d+),/ && $begun{$1} } @line;
    open(my $out, '>', $only) or die "$only: $!\n";
    print $out $head, @line;
    close $out or die "$only: $!\n";
}


sub fleet {
    my $fleet = "$build/forecast_fleet";
    my $shards = $ENV{SHARDS} || 10000;
    my $trace = "$traces/fleet-256.csv";

    my $text = `$fleet --shards $shards @{[ -r $trace ? $trace : () ]}`;
    die "bench: $fleet failed\n" if $?;

    return decode_json($text);
}


###############################################################################
# the table

sub print_report {
    my ($r) = @_;

    printf "\n%s: %d series, %d origins; relMAE: mean absolute error relative "
        . "to naive-day\n\n", ucfirst $r->{source}, $r->{all}{series},
        total($r->{all});
    print_models($r->{all}, {});

    printf "\nThe same beside R's forecast package and Prophet: %d series, %d "
        . "origins\n\n", $r->{subset}{series}, total($r->{subset});
    print_models($r->{subset}, $r->{rivals});
    print_late($r->{rivals});

    print "\nA fleet: ",
        join(', ', map { "$_ " . short($r->{fleet}{$_}) }
             sort grep { !ref $r->{fleet}{$_} } keys %{ $r->{fleet} }), "\n";
}


sub total {
    my $n = 0;
    $n += @{ $_->{origins} } for @{ $_[0]{files} };
    return $n;
}


sub print_models {
    my ($t, $rivals) = @_;

    printf "  %-14s %6s  %-20s  %6s %6s %6s  %-17s  %6s  %9s\n", 'method',
        'series', 'relMAE 1 step/1 h/24 h', 'MASE', 'PB90', 'PB95',
        'cover 90 %', 'worst', 'CPU ms';

    for my $m (sort { key($a) <=> key($b) } @{ $t->{models} }) {
        my @b = map { $m->{bands}{$_} } qw(1step 1h 24h);
        my ($last) = grep { $_ } reverse @b;
        next if !$last;

        printf "  %-14s %6d   %5s / %5s / %5s  %6.3f %6.3f %6.3f  "
            . "%5s/%5s/%5s  %6.2f  %9.*f%s\n", $m->{model}, $last->{series},
            (map { $_ ? sprintf '%.3f', $_->{relMAE} : '-' } @b),
            @{$last}{qw(MASE PB90 PB95)},
            (map { $_ ? sprintf '%.3f', $_->{COV90} : '-' } @b),
            $last->{worst}, $m->{fit_s} < 0.1 ? 2 : 0,
            1000 * ($m->{fit_s} + $m->{forecast_s}),
            $last->{loses} ? '  loses' : '';
    }
}


sub key {
    my $bands = $_[0]{bands};
    return ($bands->{'24h'} || $bands->{'1step'} || {})->{relMAE} // 1e9;
}


sub print_late {
    my ($rivals) = @_;

    print "  (R and Prophet are not here: left out)\n" if !%$rivals;

    for my $name (sort keys %$rivals) {
        my $n = $rivals->{$name};
        next if !$n->{late} && !$n->{failed} && !$n->{not_begun};

        printf "  %s: %d forecasts made, %d took more than %d s of CPU, %d "
            . "failed, %d not begun when the time was over\n", $name,
            @{$n}{qw(made late)}, LIMIT, @{$n}{qw(failed not_begun)};
    }
}


sub short {
    my ($value) = @_;
    return $value =~ /^-?\d+\.\d+/ ? sprintf('%.4g', $value) : $value;
}
