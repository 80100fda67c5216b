package ShardTest::Postgres;

# A real PostgreSQL 15 cluster of a test, in a folder of its own, on a free
# port of 127.0.0.1, run as the user postgres when the test is root's, and
# never longer than the test:
#
#     my $pg = ShardTest::Postgres->start(name => 'n1', wal_level => 'replica');
#     $pg->sql('SELECT 1');                       # text, dies of an error
#     $pg->conninfo(); $pg->url();
#     $pg->restart(); $pg->kill9(); $pg->again(); $pg->stop();
#
# With "disk_mb" its data are on a small disk of its own, {disk}.  Many in a
# row are started faster from what initdb once made: $template, a folder.
#
# It is fast and forgets what a crash of the machine would take: fsync is
# off.  A killed server is another thing, and that it bears.

use warnings;
use strict;

use File::Path qw/ remove_tree /;
use File::Temp qw/ tempdir /;
use IPC::Open2 qw/ open2 /;
use POSIX ();

use ShardTest;
use ShardTest::Disk;

our $template;

my $bin = '/usr/lib/postgresql/15/bin';
my @as = $> == 0 ? ('setpriv', '--reuid=postgres', '--regid=postgres',
                    '--clear-groups') : ();
my @dies = ('setpriv', '--pdeathsig', 'QUIT');      # with a test that is killed
my %running;


sub start {
    my ($class, %args) = @_;

    my $self = bless {
        name => $args{name} || 'pg', dir => tempdir('shard-pg.XXXXXX',
                                                    TMPDIR => 1),
        port => free_port(), owner => $$, inside => []
    }, $class;
    my $mb = delete $args{disk_mb};

    delete $args{name};
    $self->{conf} = {
        listen_addresses => '127.0.0.1', port => $self->{port},
        unix_socket_directories => $self->{dir}, fsync => 'off',
        full_page_writes => 'off', wal_level => 'logical',
        dynamic_shared_memory_type => 'mmap',   # in its folder: goes with it
        max_slot_wal_keep_size => '1GB', max_replication_slots => 32,
        max_wal_senders => 32, max_logical_replication_workers => 24,
        max_worker_processes => 40, shared_buffers => '32MB',
        max_sync_workers_per_subscription => 4,
        wal_retrieve_retry_interval => '100ms', max_connections => 80,
        autovacuum => 'off', %args
    };

    chown scalar(getpwnam('postgres')), -1, $self->{dir} if $> == 0;
    $self->{data} = "$self->{dir}/data";

    if ($mb) {
        mkdir "$self->{dir}/disk";
        $self->{disk} = ShardTest::Disk->new(dir => "$self->{dir}/disk",
                                             mb => $mb);
        $self->{inside} = [ $self->{disk}->inside() ];
        $self->{data} = "$self->{dir}/disk/data";
    }

    $template ? $self->qx("cp -a $template/data $self->{data}")
              : $self->initdb($self->{data});

    return $self->again();
}


# a folder for $template; who made it removes it

sub make_template {
    my ($class) = @_;

    my $dir = tempdir('shard-pg.XXXXXX', TMPDIR => 1);

    chown scalar(getpwnam('postgres')), -1, $dir if $> == 0;
    $class->initdb("$dir/data");
    return $dir;
}


sub initdb {
    my ($self, $data) = @_;

    local $ENV{LC_ALL} = 'C';
    $self->qx("@as $bin/initdb -N -U postgres -A trust -E UTF8 --locale=C "
              . "-D $data");
}


sub qx {
    my ($self, $command) = @_;

    my $inside = ref $self ? "@{ $self->{inside} }" : '';
    my $out = qx(cd /; $inside $command 2>&1);

    die "$command: $out" if $?;
}


# one whose postmaster was killed leaves children, and while those are there
# it does not start: once more then

sub again {
    my ($self) = @_;

    $self->spawn();
    $running{$self} = $self;

    eval {
        wait_for {
            return 1 if $self->ready();
            $self->spawn() if waitpid($self->{pid}, POSIX::WNOHANG()) > 0;
            return 0;
        } 60, "$self->{name} answers";
        1;
    } or die $@ . $self->log();

    return $self;
}


sub spawn {
    my ($self) = @_;

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>>', "$self->{dir}/log" or die "$self->{dir}/log: $!";
        open STDERR, '>&', \*STDOUT or die;
        chdir '/';
        exec @{ $self->{inside} }, @as, @dies, "$bin/postgres", '-D',
            $self->{data},
            map { ('-c', "$_=$self->{conf}{$_}") } sort keys %{$self->{conf}}
            or POSIX::_exit(127);
    }

    $self->{pid} = $pid;
}


sub ready {
    my ($self) = @_;

    return system("$bin/pg_isready -q -h 127.0.0.1 -p $self->{port}") == 0;
}


sub alive {
    my ($self) = @_;

    return $self->{pid} && waitpid($self->{pid}, POSIX::WNOHANG()) == 0;
}


sub set { $_[0]->{conf}{$_[1]} = $_[2] }
sub port { return $_[0]->{port} }
sub log { return ShardTest::slurp("$_[0]->{dir}/log") }
sub url { return "postgres://postgres\@127.0.0.1:$_[0]->{port}/postgres" }

sub conninfo {
    return "host=127.0.0.1 port=$_[0]->{port} user=postgres dbname=postgres";
}


# rows as lines, columns apart by |

sub sql {
    my ($self, @sql) = @_;

    my @more = map { ('-c', $_) } @sql;
    open(my $p, '-|', "$bin/psql", '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d',
         $self->conninfo(), @more) or die "psql: $!\n";
    my $text = do { local $/; <$p> } // '';
    close($p) or die "$self->{name}: @sql\n";
    chomp $text;

    return $text;
}


# of what must fail: the errors, with their SQLSTATE

sub fails {
    my ($self, @sql) = @_;

    my $pid = open(my $p, '-|') // die "fork: $!\n";

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT or POSIX::_exit(127);
        exec "$bin/psql", '-XqAt', '-v', 'ON_ERROR_STOP=1', '-v',
            'VERBOSITY=verbose', '-d', $self->conninfo(),
            map { ('-c', $_) } @sql or POSIX::_exit(127);
    }

    my $text = do { local $/; <$p> } // '';
    close($p) and die "$self->{name}: no error: @sql\n";

    return $text;
}


# a session that stays open: say() statements, answer() is the next line

sub session {
    my ($self) = @_;

    my $pid = open2(my $out, my $in, "$bin/psql -XqAt -v VERBOSITY=verbose "
                    . "-d '@{[ $self->conninfo() ]}' 2>&1");

    return bless { in => $in, out => $out, pid => $pid },
                 'ShardTest::Postgres::Session';
}


sub file {
    my ($self, $path) = @_;

    my $out = qx($bin/psql -XqAt -v ON_ERROR_STOP=1 \\
                 -d '@{[ $self->conninfo() ]}' -f $path 2>&1);
    die "$self->{name}: $path: $out\n" if $?;
}


# slots, publications and subscriptions of ours

sub leftovers {
    my ($self) = @_;

    return $self->sql(q{
        SELECT 'slot ' || slot_name FROM pg_replication_slots
        UNION ALL SELECT 'publication ' || pubname FROM pg_publication
        UNION ALL SELECT 'subscription ' || subname FROM pg_subscription
        ORDER BY 1});
}


sub kill9 {
    my ($self) = @_;

    # the postmaster alone: its children see it and end

    kill 'KILL', $self->{pid};
    waitpid($self->{pid}, 0);
    delete $running{$self};
    wait_for { !-e "$self->{data}/postmaster.pid"
               || !$self->ready() } 30, 'dead';
}


sub stop {
    my ($self, $how) = @_;

    return unless $self->{pid};

    kill $how || 'QUIT', $self->{pid};
    waitpid($self->{pid}, 0);
    $self->{pid} = 0;
    delete $running{$self};
}


sub restart {
    my ($self) = @_;

    $self->stop('INT');

    return $self->again();
}


sub end {
    my ($self) = @_;

    $self->stop();
    $self->{disk}->end() if $self->{disk};
    remove_tree($self->{dir}) unless $ENV{SHARD_KEEP};
}


END {
    my $status = $?;

    for my $pg (values %running) {
        $pg->end() if $pg->{owner} == $$;
    }

    $? = $status;
}


package ShardTest::Postgres::Session;

sub say {
    my ($self, $sql) = @_;

    # void functions and empty answers give no line of their own

    print { $self->{in} } "$sql\n\\echo .\n";
    $self->{in}->flush();
}

sub answer {
    my ($self) = @_;

    my $text = '';

    while (defined(my $line = readline($self->{out}))) {
        last if $line eq ".\n";
        $text .= $line;
    }

    chomp $text;
    return $text;
}

sub end {
    my ($self) = @_;

    close($self->{in});
    close($self->{out});
    waitpid($self->{pid}, 0);
}


1;
