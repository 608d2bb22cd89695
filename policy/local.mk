# Files of policy/.
