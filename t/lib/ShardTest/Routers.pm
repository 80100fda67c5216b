package ShardTest;

# More than one router: edge-1, edge-2, ... each an nginx of its own.

use warnings;
use strict;

use File::Path qw/ make_path /;


sub free_port;              # of ShardTest.pm, which comes after this file
sub listens;
sub spew;


sub start_routers {
    my ($self, $count, %args) = @_;

    $self->start_router("edge-$_", %args) for 1 .. $count;
}


sub start_router {
    my ($self, $name, %args) = @_;

    my $dir = "$self->{dir}/$name";
    my $port = free_port();

    make_path($dir);

    local $self->{nginx_port} = $port;
    my $text = $self->nginx_conf(%args);

    $text =~ s/shard_router edge-1/shard_router $name/;
    $text =~ s!\Q$self->{dir}\E/nginx/error\.log!$dir.error.log!;
    $text =~ s!\Q$self->{dir}\E/nginx/!$dir/!g;
    spew("$dir/nginx.conf", $text);

    $self->{routers}{$name} = { name => $name, port => $port };

    return $self->add(
        name => $name, stop => 'QUIT',
        argv => [ @{ $args{before} || [] }, $self->nginx_program(), '-p', $dir,
                  '-c', "$dir/nginx.conf", '-e', "$dir.error.log" ],
        ready => sub { $args{before} || listens("127.0.0.1:$port") });
}


sub router_url {
    my ($self, $name, $path) = @_;

    return "http://127.0.0.1:$self->{routers}{$name}{port}"
           . (defined $path ? $path : '');
}


1;
